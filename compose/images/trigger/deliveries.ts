/** The deliveries of one trigger: attempts until the subscriber has taken the event, or until the tries are used up. */

import { nowMs } from 'mayfly-functions/clock';
import { log } from 'mayfly-functions/log';
import { record } from 'mayfly-functions/records';
import type { Broker, Message } from './broker.ts';
import type { Outcome } from './metrics.ts';
import { delivered, queued } from './spans.ts';
import type { Subscriber } from './subscriber.ts';
import { backoffMs, matches, type Trigger } from './triggers.ts';

export interface DeliveriesOptions {
  trigger: Trigger;
  broker: Broker;
  subscriber: Subscriber;
  count: (outcome: Outcome) => void;
}

interface UnderWay {
  /** The newest delivery of it by the broker: older ones cannot be acknowledged any more. */
  message: Message;
  /** It is settled here, and the broker does not know. */
  settled: 'delivered' | 'dead-lettered' | null;
}

/** The broker was not told that an event is settled, and has not delivered it again since: it knows. */
const KNOWS_MS = 10_000;
/** After a dead letter that the broker did not take. */
const DEAD_LETTER_AGAIN_MS = 1000;

export class Deliveries {
  readonly #options: DeliveriesOptions;
  readonly #underWay = new Map<string, UnderWay>();
  /** Events that wait for their next attempt: when the one before has ended. */
  readonly #handedBack = new Map<string, number>();
  readonly #attempts = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #stopping = false;

  constructor(options: DeliveriesOptions) {
    this.#options = options;
  }

  /** Takes what the broker delivers. */
  take(message: Message): void {
    if (!matches(this.#options.trigger.filter, message.attributes)) {
      this.#options.count('unmatched');
      message.acknowledge().catch(() => {}); // it comes again
      return;
    }
    const known = this.#underWay.get(message.key);
    if (known) {
      known.message = message;
      if (known.settled) void this.#acknowledge(known);
      return;
    }
    if (this.#stopping) return message.again(0);
    const event: UnderWay = { message, settled: null };
    this.#underWay.set(message.key, event);
    const ended = this.#attempt(event).catch((error) => {
      // Nothing that was foreseen: the event is not lost, it comes again.
      this.#underWay.delete(message.key);
      log.error('an attempt failed within the trigger service', { ...this.#names(event), error });
      event.message.again(DEAD_LETTER_AGAIN_MS);
    });
    this.#attempts.add(ended);
    void ended.finally(() => this.#attempts.delete(ended));
  }

  /** Begins no attempt any more, and waits for those under way; after that time they are given back to the broker. */
  async stop(withinMs: number): Promise<void> {
    this.#stopping = true;
    const timer = setTimeout(() => this.#stop.abort(), withinMs);
    await Promise.all(this.#attempts);
    clearTimeout(timer);
  }

  async #attempt(event: UnderWay): Promise<void> {
    const { trigger, subscriber } = this.#options;
    const { message } = event;
    const { id, source } = message.attributes;
    const n = message.delivery;
    const tries = trigger.retries + 1;
    // The service or the broker ended after the last attempt, and before the dead letter was taken.
    if (n > tries) return this.#deadLetter(event, `all of its ${tries} attempts were made`);
    const begin = nowMs();
    const parent = queued(message.attributes, this.#backWithBroker(message), begin);
    const answer = await delivered(message.attributes, { trigger: trigger.name, attempt: n }, parent, (traceparent) =>
      subscriber.post(message, traceparent, this.#stop.signal),
    );
    const end = nowMs();
    record({
      e: 'attempt',
      t: begin,
      end,
      id,
      source,
      trigger: trigger.name,
      n,
      stored: message.storedMs,
      status: answer.status,
    });
    if (answer.isTaken) {
      event.settled = 'delivered';
      log.info('delivered', { ...this.#names(event), attempt: n, ms: Math.round((end - begin) * 1000) / 1000 });
      return this.#acknowledge(event);
    }
    if (n >= tries) return this.#deadLetter(event, answer.why);
    this.#options.count('failed');
    const waitMs = backoffMs(trigger, n);
    log.info('not delivered, another attempt follows', {
      ...this.#names(event),
      attempt: n,
      of: tries,
      why: answer.why,
      wait_ms: waitMs,
    });
    this.#underWay.delete(message.key);
    this.#handedBack.set(message.key, end);
    event.message.again(answer.isGivenUp ? 0 : waitMs);
  }

  /** Since when the broker has it: it was stored, or the attempt before ended, which is not known after a restart. */
  #backWithBroker({ key, delivery, queuedMs }: Message): number | null {
    const since = this.#handedBack.get(key);
    if (since !== undefined) this.#handedBack.delete(key);
    return delivery === 1 ? queuedMs : (since ?? null);
  }

  async #deadLetter(event: UnderWay, why: string): Promise<void> {
    const { trigger, broker } = this.#options;
    const { key, attributes } = event.message;
    try {
      await broker.deadLetter(trigger, event.message, why);
    } catch (error) {
      this.#underWay.delete(key);
      log.warn('the broker did not take a dead letter, it follows', { ...this.#names(event), error });
      return event.message.again(DEAD_LETTER_AGAIN_MS);
    }
    event.settled = 'dead-lettered';
    const { id, source } = attributes;
    record({ e: 'settled', t: nowMs(), id, source, trigger: trigger.name, as: 'dead-lettered', why });
    log.warn('dead-lettered', { ...this.#names(event), attempts: trigger.retries + 1, why });
    return this.#acknowledge(event);
  }

  async #acknowledge(event: UnderWay): Promise<void> {
    const { message } = event;
    try {
      await message.acknowledge();
    } catch {
      this.#awaitAgain(event);
      return;
    }
    this.#end(event);
  }

  /** Whether the broker has taken the acknowledgement shows: what it has not taken it delivers again. */
  #awaitAgain(event: UnderWay): void {
    const { message } = event;
    setTimeout(() => {
      if (event.message !== message || !this.#underWay.has(message.key)) return;
      if (this.#options.broker.isReady) this.#end(event);
      else this.#awaitAgain(event);
    }, KNOWS_MS).unref();
  }

  #end(event: UnderWay): void {
    const { key, attributes } = event.message;
    if (!this.#underWay.delete(key)) return;
    if (event.settled === 'delivered') {
      const { id, source } = attributes;
      record({ e: 'settled', t: nowMs(), id, source, trigger: this.#options.trigger.name, as: 'delivered' });
    }
    this.#options.count(event.settled!);
  }

  #names({ message }: UnderWay) {
    const { id, source } = message.attributes;
    return { trigger: this.#options.trigger.name, event: id, source };
  }
}
