import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Everything on /metrics. */
export const registry = new Registry();

const registers = [registry];
const counter = (name: string, help: string) => new Counter({ name, help, registers });

export const requestDuration = new Histogram({
  name: 'uploads_request_duration_seconds',
  help: 'Time from the head of a request until its answer was handed to the system, in seconds',
  labelNames: ['method', 'route', 'status'] as const,
  buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  registers,
});

export const sessions = {
  started: counter('sessions_started_total', 'Sessions that a login has begun here'),
  failedOver: counter('sessions_failed_over_total', 'Sessions of another replica that this one has taken over'),
  lost: counter('sessions_lost_total', 'Sessions of another replica that this one does not know, and has refused'),
};

export const migrations = {
  done: counter('migrations_done_total', 'Migrations that were done'),
  underWay: new Gauge({ name: 'migrations_under_way', help: 'Migrations that compute now', registers }),
  waiting: new Gauge({ name: 'migrations_waiting', help: 'Migrations that wait for others', registers }),
};

export const uploads = {
  done: counter('uploads_done_total', 'Uploads that are on the disk, whole'),
  cut: counter('uploads_cut_total', 'Uploads that were not, and of which nothing is kept'),
  bytes: counter('upload_bytes_total', 'Bytes of uploads that were written'),
};

collectDefaultMetrics({ register: registry });
