/**
 * NATS JetStream. One stream has the events and one the dead letters. Each trigger has a durable consumer with explicit
 * acknowledgements, which the broker pushes to: it counts the deliveries, and keeps the count over its own restart.
 */
import {
  AckPolicy,
  DeliverPolicy,
  type JetStreamClient,
  jetstream,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { connect, headers, type Msg, type NatsConnection, nanos, type Subscription } from '@nats-io/transport-node';
import {
  ANSWER_MS,
  type Broker,
  type BrokerOptions,
  Connection,
  DEAD_LETTERS,
  EVENTS,
  type Message,
  NoBroker,
  RECONNECT_MS,
  Readiness,
  WHY_HEADER,
} from './broker.ts';
import { type Attributes, attributesOf, binaryHeaders, type Event } from './event.ts';
import type { Trigger } from './triggers.ts';

/** Longer than the longest attempt: then the broker takes it that the trigger service is dead, and delivers again. */
const ACK_WAIT_MARGIN_MS = 2000;
/** Within it the broker stores an event once, however often it is published. */
const DEDUPLICATION_MS = 120_000;
/** A broker that is not there for longer is told of. */
const PATIENCE_MS = 1000;
const ACK = '+ACK';
const AGAIN = '-NAK';

export class Nats implements Broker {
  readonly #options: BrokerOptions;
  readonly #readiness = new Readiness();
  #nats: NatsConnection | null = null;
  #js: JetStreamClient | null = null;
  #connection = new Connection();
  #subscriptions: Subscription[] = [];
  #closing = false;

  constructor(options: BrokerOptions) {
    this.#options = options;
    void this.#run();
  }

  get isReady(): boolean {
    return this.#readiness.isReady;
  }

  get wasReady(): boolean {
    return this.#readiness.wasReady;
  }

  readyWithin(ms: number): Promise<boolean> {
    return this.#readiness.within(ms);
  }

  async publish(event: Event): Promise<void> {
    await this.#store(EVENTS, event, idOf(event.attributes));
  }

  async deadLetter(trigger: Trigger, event: Event, why: string): Promise<void> {
    await this.#store(`${DEAD_LETTERS}.${trigger.name}`, event, `${trigger.name} ${idOf(event.attributes)}`, why);
  }

  async backlog(trigger: Trigger): Promise<number> {
    const manager = await this.#client().jetstreamManager(false);
    const info = await this.#connection.answer(manager.consumers.info(EVENTS, trigger.name), 'the backlog');
    return info.num_pending + info.num_ack_pending;
  }

  async pause(): Promise<void> {
    this.#closing = true;
    if (!this.isReady) return;
    const drained = Promise.all(this.#subscriptions.map((subscription) => subscription.drain()));
    await this.#connection.answer(drained, 'no more deliveries').catch(() => {});
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#nats?.close();
  }

  async #run(): Promise<void> {
    while (!this.#closing) {
      // Its client tries for ever, without a word.
      const late = setTimeout(() => this.#options.onChange('disconnected', 'it does not answer yet'), PATIENCE_MS);
      try {
        this.#nats = await connect({
          servers: this.#options.url,
          waitOnFirstConnect: true,
          maxReconnectAttempts: -1,
          reconnectDelayHandler: this.#delay,
          resolve: false,
          noAsyncTraces: true,
        });
      } catch (error) {
        this.#options.onChange('disconnected', (error as Error).message);
        await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS.most));
        continue;
      } finally {
        clearTimeout(late);
      }
      if (this.#closing) return void this.#nats.close();
      await this.#live(this.#nats);
    }
  }

  /** One connection, with all the reconnects that its client makes by itself; until it is closed for good. */
  async #live(nats: NatsConnection): Promise<void> {
    this.#js = jetstream(nats, { timeout: ANSWER_MS });
    this.#subscriptions = this.#options.triggers.map((trigger) =>
      nats.subscribe(deliverySubject(trigger), {
        queue: EVENTS,
        callback: (error, message) => {
          if (!error) this.#options.onMessage(trigger, this.#message(message));
        },
      }),
    );
    void this.#setUp();
    for await (const status of nats.status()) {
      if (status.type === 'disconnect') this.#down('disconnected');
      else if (status.type === 'reconnect') {
        this.#connection = new Connection();
        void this.#setUp();
      }
    }
    this.#down((await nats.closed())?.message ?? 'closed');
  }

  #down(why: string): void {
    this.#connection.end(why);
    if (!this.isReady) return;
    this.#readiness.set(false);
    if (!this.#closing) this.#options.onChange('disconnected', why);
  }

  #waited = 0;
  #delay = (): number => {
    this.#waited = Math.min(this.#waited ? this.#waited * 2 : RECONNECT_MS.first, RECONNECT_MS.most);
    return this.#waited;
  };

  /** Streams and consumers; again after each reconnect, for a broker that has lost all. */
  async #setUp(): Promise<void> {
    const connection = this.#connection;
    while (connection === this.#connection && !this.#closing) {
      try {
        await connection.answer(this.#addAll(), 'its set-up');
        if (connection !== this.#connection) return;
        this.#waited = 0;
        this.#readiness.set(true);
        return this.#options.onChange('connected');
      } catch (error) {
        if (connection !== this.#connection || this.#nats?.isClosed()) return;
        this.#options.onChange('disconnected', `its set-up failed: ${(error as Error).message}`);
        await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS.most));
      }
    }
  }

  async #addAll(): Promise<void> {
    const manager = await this.#client().jetstreamManager(false);
    await manager.streams.add({
      name: EVENTS,
      subjects: [EVENTS],
      // What each trigger has settled goes: the broker keeps the backlog and no more.
      retention: RetentionPolicy.Interest,
      storage: StorageType.File,
      duplicate_window: nanos(DEDUPLICATION_MS),
    });
    await manager.streams.add({ name: DEAD_LETTERS, subjects: [`${DEAD_LETTERS}.*`], storage: StorageType.File });
    for (const trigger of this.#options.triggers)
      await manager.consumers.add(EVENTS, {
        durable_name: trigger.name,
        deliver_subject: deliverySubject(trigger),
        deliver_group: EVENTS,
        deliver_policy: DeliverPolicy.All,
        ack_policy: AckPolicy.Explicit,
        ack_wait: nanos(trigger.timeoutS * 1000 + ACK_WAIT_MARGIN_MS),
        max_ack_pending: trigger.maxInFlight,
        max_deliver: -1,
      });
  }

  async #store(subject: string, event: Event, msgID: string, why?: string): Promise<void> {
    const fields = headers();
    const binary = binaryHeaders(event.attributes);
    for (const name in binary) fields.set(name, binary[name]!);
    if (why) fields.set(WHY_HEADER, why);
    await this.#connection.answer(
      this.#client().publish(subject, event.data, { headers: fields, msgID, timeout: ANSWER_MS }),
      'an event that it shall store',
    );
  }

  #client(): JetStreamClient {
    if (!this.#js || this.#nats!.isClosed()) throw new NoBroker('there is no connection to the broker');
    return this.#js;
  }

  #message(message: Msg): Message {
    const { delivery, sequence, storedMs } = deliveryOf(message.reply!);
    const event = {
      attributes: attributesOf(pairs(message)),
      data: Buffer.from(message.data.buffer, message.data.byteOffset, message.data.byteLength),
    };
    return {
      ...event,
      key: sequence,
      delivery,
      storedMs,
      queuedMs: storedMs,
      acknowledge: async () => {
        await this.#connection.answer(
          this.#nats!.request(message.reply!, ACK, { timeout: ANSWER_MS }),
          'an acknowledgement',
        );
      },
      again: (afterMs) => {
        message.respond(afterMs > 0 ? `${AGAIN} ${JSON.stringify({ delay: nanos(afterMs) })}` : AGAIN);
      },
    };
  }
}

/** What the subject for acknowledgements says of a delivery; newer servers put two tokens before the stream's name. */
function deliveryOf(reply: string): { delivery: number; sequence: string; storedMs: number } {
  const tokens = reply.split('.');
  const first = tokens.length === 9 ? 4 : 6;
  return {
    delivery: Number(tokens[first]),
    sequence: tokens[first + 1]!,
    storedMs: Number(tokens[first + 3]) / 1e6,
  };
}

function* pairs(message: Msg): Iterable<[string, string]> {
  for (const [name, [value]] of message.headers ?? []) yield [name, value!];
}

const deliverySubject = (trigger: Trigger) => `deliver.${trigger.name}`;

/** An event is known by its source and its id. */
function idOf({ source, id }: Attributes): string {
  return `${encodeURIComponent(source)} ${encodeURIComponent(id)}`;
}
