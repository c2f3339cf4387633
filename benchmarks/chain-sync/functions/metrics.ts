/** What Prometheus scrapes: both ends of each hop, and the process. */
import { createServer } from 'node:http';
import { status } from '@grpc/grpc-js';
import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client';

const registry = new Registry();
collectDefaultMetrics({ register: registry });

/** One end of a hop: calls by code, and how long they took. */
function end(side: 'server' | 'client', seenFrom: string) {
  const handled = new Counter({
    name: `grpc_${side}_handled_total`,
    help: `Calls that have ended, as ${seenFrom} saw them, by method and code`,
    labelNames: ['method', 'code'] as const,
    registers: [registry],
  });
  const seconds = new Histogram({
    name: `grpc_${side}_handling_seconds`,
    help: `Time from the begin of a call to its end, as ${seenFrom} saw them, in seconds`,
    labelNames: ['method'] as const,
    buckets: [
      0.00025, 0.0005, 0.00075, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1,
      2.5,
    ],
    registers: [registry],
  });
  return {
    /** Every code is there from the start: of a counter that appears with 1, Prometheus does not see the increase. */
    know(method: string) {
      for (const code of CODES) handled.inc({ method, code }, 0);
    },
    /** Counts a call that began at `startedMs` of performance.now(). */
    ended(method: string, code: status, startedMs: number) {
      handled.inc({ method, code: status[code] ?? 'UNKNOWN' });
      seconds.observe({ method }, (performance.now() - startedMs) / 1000);
    },
  };
}

const CODES = Object.keys(status).filter((name) => Number.isNaN(Number(name)));

export const received = end('server', 'the one that was called');
export const sent = end('client', 'the caller');

/** Answers GET /metrics. */
export const metricsServer = () =>
  createServer(async (request, response) => {
    if (request.url !== '/metrics') return response.writeHead(404).end('there is only /metrics\n');
    response.writeHead(200, { 'content-type': registry.contentType }).end(await registry.metrics());
  });
