/* Generated from mayfly.capacity.v1.json by `npm run generate`. */

/**
 * The highest rate at which a commit still meets its objectives. `npm run capacity -- --json` prints it in the field `capacity` of the run.
 */
export interface CapacityDocument {
  /**
   * Name and version of this document. A later version may add fields; one that changes or removes a field gets a new number.
   */
  schema: 'mayfly.capacity/v1';
  /**
   * Requests per second; null where not even the lowest rate met them. A lower bound unless `limited_by` is `objectives`.
   */
  capacity: number | null;
  /**
   * The lowest rate that was seen to fail; null where the search ended at its cap.
   */
  fails_at: number | null;
  /**
   * `objectives`: the service's own limit. `generator`: the load generator could not go on. `cap`: `--max-rate` was reached.
   */
  limited_by: 'objectives' | 'generator' | 'cap';
  /**
   * Metric to its limit, in the metric's unit.
   */
  objectives: {
    [k: string]: number;
  };
  /**
   * Every probe that says something, in order; a disturbed one is in the rounds of the run only.
   *
   * Items: A probe.
   */
  probes: {
    /**
     * Requests per second that were asked for.
     */
    rate: number;
    /**
     * Whether it met the objectives.
     */
    met: boolean;
    /**
     * Why not.
     */
    why?: string;
    /**
     * Number of its round in the run.
     */
    round: number;
  }[];
}
