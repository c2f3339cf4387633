/**
 * AMQP 0-9-1, as RabbitMQ speaks it. One exchange has the events; each trigger has a quorum queue, whose deliveries the
 * broker counts, and a queue for its dead letters.
 */
import { randomUUID } from 'node:crypto';
import {
  type Channel,
  type ChannelModel,
  type ConfirmChannel,
  type ConsumeMessage,
  connect,
  type RecoveringChannelModel,
} from 'amqplib';
import { nowMs } from 'mayfly-functions/clock';
import {
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
import type { Attributes, Event } from './event.ts';
import type { Trigger } from './triggers.ts';

/** As the AMQP binding of CloudEvents names headers. */
const PREFIX = 'cloudEvents:';
/** When the event was handed to the broker: it does not say when it has stored it. */
const QUEUED_HEADER = 'mayfly-queued';
/** The broker drops what it has delivered more often; newer ones do after 20 times where nothing is said. */
const DELIVERY_LIMIT = 1_000_000;

/** Of one trigger, over one connection. */
interface Consumer {
  channel: Channel;
  tag: string;
  queue: string;
  /** Delivered, and not acknowledged. */
  held: number;
  sync: () => Promise<void>;
}

export class Amqp implements Broker {
  readonly #options: BrokerOptions;
  readonly #readiness = new Readiness();
  readonly #consumers = new Map<string, Consumer>();
  #model: RecoveringChannelModel | null = null;
  #channel: ConfirmChannel | null = null;
  #connection = new Connection();
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
    await this.#store(EVENTS, '', event);
  }

  async deadLetter(trigger: Trigger, event: Event, why: string): Promise<void> {
    await this.#store('', `${DEAD_LETTERS}.${trigger.name}`, event, why);
  }

  async backlog(trigger: Trigger): Promise<number> {
    const consumer = this.#consumers.get(trigger.name);
    if (!consumer || !this.isReady) throw new NoBroker('there is no connection to the broker');
    const ask = () => this.#connection.answer(consumer.channel.checkQueue(consumer.queue), 'the backlog');
    const { messageCount } = await ask();
    if (messageCount + consumer.held > 0) return messageCount + consumer.held;
    // What the queue had handed out before the first answer has come before the second.
    return (await ask()).messageCount + consumer.held;
  }

  async pause(): Promise<void> {
    this.#closing = true;
    if (!this.isReady) return;
    const cancelled = Promise.all([...this.#consumers.values()].map(({ channel, tag }) => channel.cancel(tag)));
    await this.#connection.answer(cancelled, 'no more deliveries').catch(() => {});
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#model?.close().catch(() => {});
  }

  async #run(): Promise<void> {
    this.#model = await connect(this.#options.url, {
      recovery: {
        initialDelay: RECONNECT_MS.first,
        maxDelay: RECONNECT_MS.most,
        waitForConnect: false,
        setup: (model: ChannelModel) => this.#setUp(model),
      },
    });
    this.#model.on('connect', () => {
      this.#readiness.set(true);
      this.#options.onChange('connected');
    });
    this.#model.on('disconnect', (error) => this.#down(error.message));
    this.#model.on('connect-failed', (error) => this.#options.onChange('disconnected', error.message));
    this.#model.on('error', () => {}); // 'disconnect' comes as well
  }

  #down(why: string): void {
    this.#connection.end(why);
    if (!this.isReady) return;
    this.#readiness.set(false);
    if (!this.#closing) this.#options.onChange('disconnected', why);
  }

  async #setUp(model: ChannelModel): Promise<void> {
    this.#connection.end('there is a new one');
    this.#connection = new Connection();
    this.#consumers.clear();
    // One of a channel alone would leave the service half alive: all of it begins anew.
    const failed = () => void model.close().catch(() => {});
    model.on('error', () => {});
    const channel = await model.createConfirmChannel();
    channel.on('error', failed);
    await channel.assertExchange(EVENTS, 'fanout', { durable: true });
    this.#channel = channel;
    for (const trigger of this.#options.triggers) {
      await channel.assertQueue(`${DEAD_LETTERS}.${trigger.name}`, { durable: true });
      const consumer = await this.#consume(model, trigger);
      consumer.channel.on('error', failed);
    }
  }

  async #consume(model: ChannelModel, trigger: Trigger): Promise<Consumer> {
    const channel = await model.createChannel();
    const queue = `${EVENTS}.${trigger.name}`;
    await channel.assertQueue(queue, {
      durable: true,
      arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': DELIVERY_LIMIT },
    });
    await channel.bindQueue(queue, EVENTS, '');
    await channel.prefetch(trigger.maxInFlight);
    const consumer: Consumer = { channel, tag: '', queue, held: 0, sync: coalesced(() => channel.checkQueue(queue)) };
    this.#consumers.set(trigger.name, consumer);
    const connection = this.#connection;
    const { consumerTag } = await channel.consume(queue, (message) => {
      if (!message) return void model.close().catch(() => {}); // the broker has cancelled it: the queue is gone
      consumer.held++;
      this.#options.onMessage(trigger, messageOf(message, consumer, connection));
    });
    consumer.tag = consumerTag;
    return consumer;
  }

  async #store(exchange: string, key: string, { attributes, data }: Event, why?: string): Promise<void> {
    if (!this.#channel || !this.isReady) throw new NoBroker('there is no connection to the broker');
    const { datacontenttype, ...others } = attributes as Record<string, string>;
    const fields: Record<string, unknown> = { [QUEUED_HEADER]: String(nowMs()) };
    for (const name in others) fields[PREFIX + name] = others[name];
    if (why) fields[WHY_HEADER] = why;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#channel.publish(
      exchange,
      key,
      data,
      {
        persistent: true,
        messageId: randomUUID(),
        headers: fields,
        ...(datacontenttype === undefined ? {} : { contentType: datacontenttype }),
      },
      (error) => (error ? reject(new NoBroker(`the broker did not take the event: ${error.message}`)) : resolve()),
    );
    await this.#connection.answer(promise, 'an event that it shall store');
  }
}

function messageOf(message: ConsumeMessage, consumer: Consumer, connection: Connection): Message {
  const { headers = {}, contentType, messageId } = message.properties;
  const attributes: Record<string, string> = {};
  for (const name in headers)
    if (name.startsWith(PREFIX)) attributes[name.slice(PREFIX.length)] = String(headers[name]);
  if (contentType !== undefined) attributes.datacontenttype = contentType;
  const once = (how: () => void) => {
    try {
      how();
    } catch (error) {
      // The channel is closed: the broker delivers the message again.
      throw new NoBroker((error as Error).message);
    }
    consumer.held--;
  };
  return {
    attributes: attributes as Attributes,
    data: message.content,
    key: String(messageId),
    delivery: 1 + Number(headers['x-delivery-count'] ?? 0),
    storedMs: null,
    queuedMs: Number(headers[QUEUED_HEADER]) || null,
    acknowledge: async () => {
      once(() => consumer.channel.ack(message));
      await connection.answer(consumer.sync(), 'an acknowledgement');
    },
    again: (afterMs) => {
      // The broker has no delay: the message is held meanwhile.
      setTimeout(() => {
        try {
          once(() => consumer.channel.nack(message, false, true));
        } catch {
          // It comes again by itself.
        }
      }, afterMs).unref();
    },
  };
}

/**
 * AMQP does not answer an acknowledgement. What was asked after it is answered after it: one question does for all that
 * came since the one before.
 */
function coalesced(ask: () => Promise<unknown>): () => Promise<void> {
  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  const begin = (): Promise<void> => {
    running = ask().then(() => {});
    const end = () => {
      running = null;
    };
    running.then(end, end);
    return running;
  };
  return () => {
    if (!running) return begin();
    next ??= running
      .catch(() => {})
      .then(() => {
        next = null;
        return begin();
      });
    return next;
  };
}
