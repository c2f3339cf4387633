/**
 * The trigger service of an asynchronous chain: takes CloudEvents by HTTP, keeps them in the broker, and delivers each
 * to the subscribers of the triggers that want it. docs/events.md says what it promises.
 */

import { log } from 'mayfly-functions/log';
import { tracing } from 'mayfly-functions/tracing';
import { Amqp } from './amqp.ts';
import type { Broker, BrokerOptions } from './broker.ts';
import { Deliveries } from './deliveries.ts';
import { createIngress } from './ingress.ts';
import { createMetrics, listening } from './metrics.ts';
import { Nats } from './nats.ts';
import { Subscriber } from './subscriber.ts';
import { parseTriggers, type Trigger } from './triggers.ts';

const INGRESS_PORT = Number(process.env.MAYFLY_INGRESS_PORT ?? 8080);
const METRICS_PORT = Number(process.env.MAYFLY_METRICS_PORT ?? 9090);
/** From SIGTERM until attempts that are under way are given back to the broker; the process ends within 2 s. */
const FINISH_MS = 1200;
const END_MS = 1900;
const USAGE = 2;

const PROTOCOLS: Record<string, new (options: BrokerOptions) => Broker> = { 'nats:': Nats, 'amqp:': Amqp };

function fail(why: string): never {
  log.error(why);
  process.exit(USAGE);
}

function settings(): { url: string; triggers: Trigger[]; Protocol: new (options: BrokerOptions) => Broker } {
  const url = process.env.MAYFLY_BROKER ?? '';
  const Protocol = PROTOCOLS[URL.parse(url)?.protocol ?? ''];
  if (!Protocol) fail(`MAYFLY_BROKER must be a URL that begins with nats:// or amqp://, not "${url}"`);
  try {
    return { url, Protocol, triggers: parseTriggers(process.env.MAYFLY_TRIGGERS ?? '') };
  } catch (error) {
    return fail((error as Error).message);
  }
}

const { url, triggers, Protocol } = settings();
tracing.start();
const metrics = createMetrics(triggers, () => broker);
let saidWhy = '';
const broker: Broker = new Protocol({
  url,
  triggers,
  onMessage: (trigger, message) => deliveries.get(trigger.name)!.take(message),
  onChange: (what, why) => {
    // It tries for ever: said once.
    if (what === 'disconnected' && why === saidWhy) return;
    saidWhy = what === 'disconnected' ? why! : '';
    if (what === 'connected') log.info('connected to the broker', { broker: url });
    else log.warn('no broker, it is tried again', { broker: url, why });
  },
});
const subscribers = new Map(triggers.map((trigger) => [trigger.name, new Subscriber(trigger)]));
const deliveries = new Map(
  triggers.map((trigger) => [
    trigger.name,
    new Deliveries({
      trigger,
      broker,
      subscriber: subscribers.get(trigger.name)!,
      count: (outcome) => metrics.delivery(trigger, outcome),
    }),
  ]),
);
const ingress = await listening(createIngress({ triggers, broker, metrics }), INGRESS_PORT);
const scraped = await metrics.serve(METRICS_PORT);
log.info('listening', { ingress: INGRESS_PORT, metrics: METRICS_PORT, triggers: triggers.length });

async function end(): Promise<void> {
  setTimeout(() => process.exit(0), END_MS).unref();
  const closed = new Promise((resolve) => ingress.close(resolve));
  ingress.closeIdleConnections();
  await broker.pause();
  await Promise.all([...deliveries.values()].map((one) => one.stop(FINISH_MS)));
  await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 100))]);
  ingress.closeAllConnections();
  scraped.closeAllConnections();
  await Promise.all([broker.close(), tracing.stop()]);
  process.exit(0);
}
process.once('SIGTERM', () => void end());
process.once('SIGINT', () => void end());
