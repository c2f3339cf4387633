/* Generated from triggers.schema.json by `npm run generate`. */

/**
 * Which events go to which service of a benchmark with a broker. Defaults are filled in.
 */
export interface TriggersSpec {
  /**
   * The triggers. An event goes to every trigger whose filter it matches; one that no trigger wants is counted as unrouted.
   */
  triggers: Trigger[];
}
/**
 * One trigger.
 */
export interface Trigger {
  /**
   * Its name, which no other trigger has. Deliveries carry it in the header `mayfly-trigger`.
   */
  name: string;
  /**
   * Attributes of a CloudEvent and their values, which an event must have exactly, all of them: `type`, `source` or any extension attribute. Left out: every event.
   */
  filter: {
    [k: string]: string;
  };
  /**
   * Where events are delivered: an http URL whose host is a service of the Compose file.
   */
  subscriber: string;
  /**
   * Attempts after the first. An event for which all have failed is dead-lettered.
   */
  retries: number;
  /**
   * Wait before the second attempt; it doubles before each further one, to no more than 1h.
   */
  backoff: string;
  /**
   * After this time an attempt has failed. From 1ms to 1h.
   */
  timeout: string;
  /**
   * Deliveries that may be under way to the subscriber at once.
   */
  max_in_flight: number;
}
