import { collectDefaultMetrics, Histogram, Registry } from 'prom-client';

/** Everything on /metrics: the default metrics of the process, garbage collection included, and our own. */
export const registry = new Registry();

export const requestDuration = new Histogram({
  name: 'shop_request_duration_seconds',
  help: 'Time from the arrival of a request until its answer was handed to the system, in seconds',
  labelNames: ['method', 'route', 'status'] as const,
  buckets: [0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
  registers: [registry],
});

collectDefaultMetrics({ register: registry });
