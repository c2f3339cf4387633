/** What Prometheus scrapes of the trigger service. Every series is there from the start. */
import { createServer, type Server } from 'node:http';
import { log } from 'mayfly-functions/log';
import { Counter, Gauge, Registry } from 'prom-client';
import type { Broker } from './broker.ts';
import type { Trigger } from './triggers.ts';

/** Of a delivery. `failed`: of an attempt that another one follows. */
const OUTCOMES = ['delivered', 'failed', 'dead-lettered', 'unmatched'] as const;
export type Outcome = (typeof OUTCOMES)[number];
/** Of an event at the ingress. */
const TAKEN = ['taken', 'unrouted', 'refused', 'too-large', 'no-broker'] as const;
export type IngressOutcome = (typeof TAKEN)[number];

export interface Metrics {
  delivery(trigger: Trigger, outcome: Outcome): void;
  ingress(outcome: IngressOutcome): void;
  serve(port: number): Promise<Server>;
}

export function createMetrics(triggers: Trigger[], broker: () => Broker): Metrics {
  const register = new Registry();
  new Gauge({
    name: 'mayfly_events_backlog',
    help: 'Events that the broker has and that the trigger has not settled, as the broker says at the scrape',
    labelNames: ['trigger'],
    registers: [register],
    // Asked at each scrape. What the broker does not say is not shown: 0 would say that all is settled.
    async collect() {
      for (const trigger of triggers) {
        const labels = { trigger: trigger.name };
        try {
          this.set(labels, broker().wasReady ? await broker().backlog(trigger) : 0);
        } catch (error) {
          this.remove(labels);
          // That there is no connection is told once, by who keeps it.
          if (broker().isReady)
            log.warn('the broker does not say its backlog', { trigger: trigger.name, why: (error as Error).message });
        }
      }
    },
  });
  const deliveries = new Counter({
    name: 'mayfly_events_total',
    help: 'Events of each trigger, by what became of them; failed: attempts that another one follows',
    labelNames: ['trigger', 'outcome'],
    registers: [register],
  });
  const ingress = new Counter({
    name: 'mayfly_events_ingress_total',
    help: 'Events that came to the ingress, by what became of them',
    labelNames: ['outcome'],
    registers: [register],
  });
  for (const { name } of triggers) for (const outcome of OUTCOMES) deliveries.inc({ trigger: name, outcome }, 0);
  for (const outcome of TAKEN) ingress.inc({ outcome }, 0);
  return {
    delivery: (trigger, outcome) => deliveries.inc({ trigger: trigger.name, outcome }),
    ingress: (outcome) => ingress.inc({ outcome }),
    serve: (port) =>
      listening(
        createServer(async (request, response) => {
          if (request.url !== '/metrics') return void response.writeHead(404).end();
          response.writeHead(200, { 'content-type': register.contentType }).end(await register.metrics());
        }),
        port,
      ),
  };
}

export async function listening(server: Server, port: number): Promise<Server> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject).listen(port, resolve);
  await promise;
  return server;
}
