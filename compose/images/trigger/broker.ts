/** What the trigger service needs of a broker. One file for each protocol: nats.ts, amqp.ts. */
import type { Event } from './event.ts';
import type { Trigger } from './triggers.ts';

/** One delivery of one event by the broker to one trigger. */
export interface Message extends Event {
  /** The same for each delivery of what was published once, to this trigger. */
  key: string;
  /** How often the broker has delivered it to this trigger, this time included. It counts over restarts of both. */
  delivery: number;
  /** When the broker has stored it, in milliseconds since the epoch; null where it does not say so. */
  storedMs: number | null;
  /** The same, or else when it was handed to the broker. */
  queuedMs: number | null;
  /** Resolves when the broker has taken the acknowledgement; rejects where that cannot be known. */
  acknowledge(): Promise<void>;
  /** Has it delivered again after that time. One that the broker does not hear of is delivered again all the same. */
  again(afterMs: number): void;
}

export interface Broker {
  /** There is a connection, and all that the triggers need is set up. */
  readonly isReady: boolean;
  /** It was ready once: the broker may have events. */
  readonly wasReady: boolean;
  /** Resolves to whether it became ready within the time. */
  readyWithin(ms: number): Promise<boolean>;
  /** Resolves when the broker has acknowledged the event. */
  publish(event: Event): Promise<void>;
  /** Keeps an event that nobody took. Resolves when the broker has acknowledged it. */
  deadLetter(trigger: Trigger, event: Event, why: string): Promise<void>;
  /** Events that the broker has and that the trigger has not settled. */
  backlog(trigger: Trigger): Promise<number>;
  /** Delivers no more. What was delivered can be acknowledged still. */
  pause(): Promise<void>;
  close(): Promise<void>;
}

export interface BrokerOptions {
  url: string;
  triggers: Trigger[];
  /** Each event is delivered to each trigger. Called for the first time when the broker is set up. */
  onMessage: (trigger: Trigger, message: Message) => void;
  /** The connection came or went. */
  onChange: (what: 'connected' | 'disconnected', why?: string) => void;
}

/** The broker is out of reach, or does not answer in time. */
export class NoBroker extends Error {}

/** How long a broker may take for one answer. */
export const ANSWER_MS = 5000;
/** Between the tries to reach a broker: doubles from one to the other. */
export const RECONNECT_MS = { first: 100, most: 1000 };
/** Names in the broker. */
export const EVENTS = 'events';
export const DEAD_LETTERS = 'dead-letters';
export const WHY_HEADER = 'mayfly-why';

/** Waiting for the broker, shared by the files of the protocols. */
export class Readiness {
  isReady = false;
  wasReady = false;
  #waiting = new Set<(ready: boolean) => void>();

  set(ready: boolean): void {
    this.isReady = ready;
    if (!ready) return;
    this.wasReady = true;
    for (const tell of this.#waiting) tell(true);
    this.#waiting.clear();
  }

  within(ms: number): Promise<boolean> {
    if (this.isReady) return Promise.resolve(true);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => {
      this.#waiting.delete(resolve);
      resolve(false);
    }, ms);
    this.#waiting.add(resolve);
    return promise.finally(() => clearTimeout(timer));
  }
}

/** One connection: what waits for an answer of it is rejected once it is gone. */
export class Connection {
  #open = new Set<(error: Error) => void>();
  #gone: Error | null = null;

  /** The answer, or a rejection when the connection goes or the time is over. */
  async answer<T>(answer: Promise<T>, what: string): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => reject(new NoBroker(`the broker has not answered within ${ANSWER_MS} ms: ${what}`)),
      ANSWER_MS,
    );
    if (this.#gone) reject(this.#gone);
    this.#open.add(reject);
    try {
      return await Promise.race([answer, promise]);
    } finally {
      clearTimeout(timer);
      this.#open.delete(reject);
    }
  }

  end(why: string): void {
    this.#gone = new NoBroker(`the connection to the broker is gone: ${why}`);
    for (const reject of this.#open) reject(this.#gone);
    this.#open.clear();
  }
}
