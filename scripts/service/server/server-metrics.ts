/**
 * What Prometheus reads of the two processes. The only file of the harness that knows prom-client. Names and what they mean:
 * docs/alerts.md.
 */
import { Counter, Gauge, Histogram, type Metric, Registry } from 'prom-client';
import { JOB_FAULTS } from '../../documents/job.ts';
import type { SeenWorker } from '../../store/jobs.ts';
import { LEASE_MS } from '../../store/leases.ts';
import type { JobGroup, ServiceFigures } from '../../store/service-metrics.ts';
import { ALERT, channelOf } from './alert-channels.ts';
import type { Http } from './http.ts';
import type { ServeContext } from './serve-context.ts';

export interface Metrics {
  /** In the text format of Prometheus. */
  text(): Promise<string>;
  contentType: string;
}

type Labels = Record<string, string>;
type Values = [labels: Labels, value: number][];

/** Upper bounds in seconds: jobs take minutes to hours, pages milliseconds. */
export const JOB_BOUNDS = [30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400];
const HTTP_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Of GitHub; another event counts as `other`, so that nobody can make series. */
const EVENTS = ['ping', 'push', 'pull_request', 'issue_comment'];

/** Metrics of the server: of the queue as the store has it at each reading, and of its own requests. */
export function serverMetrics(ctx: ServeContext, http: Http): Metrics {
  const registry = new Registry();
  const stored = storedMetrics(registry);
  const age = waitingAges(ctx.now);
  watchRequests(http, registry);
  ownProcess(registry);
  const refresh = () => {
    const now = ctx.now();
    const figures = ctx.store.figures(now, JOB_BOUNDS);
    stored({
      figures,
      workers: ctx.store.queue.workers(),
      paused: ctx.store.queue.paused() !== undefined,
      benchmarks: [...ctx.config.rules.keys()],
      waiting: age(figures.messages.filter(({ channel }) => maySend(channel, ctx))),
      now,
    });
  };
  return { text: () => (refresh(), registry.metrics()), contentType: registry.contentType };
}

/**
 * A message is not counted as waiting where its channel is no longer in mayfly.yaml, or where there is no token.
 */
const maySend = (channel: string, { config, github }: ServeContext): boolean =>
  channel.startsWith(`${ALERT} `) ? config.alerts.some((alert) => channelOf(alert) === channel) : github !== undefined;

interface Read {
  figures: ServiceFigures;
  workers: SeenWorker[];
  paused: boolean;
  /** Of this checkout: their counters begin with 0, since an increase from nothing is none to Prometheus. */
  benchmarks: string[];
  /** By channel: how many messages wait, and for how many seconds the longest. */
  waiting: Map<string, { count: number; oldestS: number }>;
  now: number;
}

const VERDICTS = ['REGRESSION', 'IMPROVEMENT', 'PASS', 'INCONCLUSIVE', 'INVALID'];
const ENDS = ['done', 'failed', 'cancelled'];

/** Makes what is read from the store; gives what sets all of it. */
function storedMetrics(registry: Registry): (read: Read) => void {
  const setters: ((read: Read) => void)[] = [];
  const gauge = (name: string, help: string, labelNames: string[], values: (read: Read) => Values) =>
    void setters.push(set(new Gauge({ name, help, labelNames, registers: [registry] }), values));
  const counter = (name: string, help: string, labelNames: string[], values: (read: Read) => Values) =>
    void setters.push(add(new Counter({ name, help, labelNames, registers: [registry] }), values));
  const ageS = (sinceMs: number | null, now: number) => (sinceMs === null ? 0 : Math.max(0, (now - sinceMs) / 1000));

  gauge('mayfly_queue_jobs', 'Jobs that wait (queued) or run (leased).', ['state', 'kind'], ({ figures }) =>
    each(['queued', 'leased'], ['new-test', 'new-master'], (state, kind) => [
      { state, kind },
      figures.queue.find((one) => one.state === state && one.kind === kind)?.count ?? 0,
    ]),
  );
  gauge(
    'mayfly_queue_oldest_seconds',
    'How long the job that has waited longest could have been taken; 0 where none could.',
    [],
    ({ figures, now }) => [[{}, ageS(figures.waiting_since_ms, now)]],
  );
  gauge('mayfly_queue_paused', '1 where the queue is paused.', [], ({ paused }) => [[{}, paused ? 1 : 0]]);
  gauge(
    'mayfly_queue_last_taken_timestamp_seconds',
    'When a job was taken last; 0 where none ever was.',
    [],
    ({ figures }) => [[{}, (figures.taken_ms ?? 0) / 1000]],
  );
  counter('mayfly_jobs_total', 'Jobs that have ended.', ['benchmark', 'state'], (read) =>
    counts(read, 'state', ENDS, ({ state, count }, one) => (state === one ? count : 0)),
  );
  counter('mayfly_verdicts_total', 'Verdicts of jobs.', ['benchmark', 'verdict'], (read) =>
    counts(read, 'verdict', VERDICTS, ({ verdict, count }, one) => (verdict === one ? count : 0)),
  );
  counter(
    'mayfly_job_failures_total',
    'Tries that a fault of the infrastructure or a lost worker has ended, and jobs that have failed for another reason.',
    ['benchmark', 'reason'],
    (read) => counts(read, 'reason', JOB_FAULTS, ({ failures }, one) => failures[one]),
  );
  gauge('mayfly_workers', `Workers that were heard of within ${LEASE_MS / 1000} s.`, [], ({ workers, now }) => [
    [{}, workers.filter(({ seen_at }) => now - Date.parse(seen_at) <= LEASE_MS).length],
  ]);
  gauge(
    'mayfly_worker_seen_seconds',
    'How long ago a worker of the host was heard of; one that was killed is shown for a day.',
    ['host'],
    ({ workers, now }) =>
      [...Map.groupBy(workers, ({ host }) => host)].map(([host, own]) => [
        { host },
        Math.min(...own.map(({ seen_at }) => ageS(Date.parse(seen_at), now))),
      ]),
  );
  gauge('mayfly_messages_waiting', 'Messages to GitHub and alerts that wait to be sent.', ['channel'], ({ waiting }) =>
    [...waiting].map(([channel, { count }]) => [{ channel }, count]),
  );
  gauge(
    'mayfly_messages_oldest_seconds',
    'How long the server has seen the oldest of them wait.',
    ['channel'],
    ({ waiting }) => [...waiting].map(([channel, { oldestS }]) => [{ channel }, oldestS]),
  );
  gauge('mayfly_uploads_pending', 'Runs whose metrics wait to be shipped to the bucket.', [], ({ figures }) => [
    [{}, figures.uploads.count],
  ]);
  gauge(
    'mayfly_uploads_oldest_seconds',
    'How long ago the first of them ended; 0 where none waits.',
    [],
    ({ figures, now }) => [[{}, ageS(figures.uploads.since_ms, now)]],
  );
  let groups: JobGroup[] = [];
  registry.registerMetric(
    storedHistogram(
      'mayfly_job_duration_seconds',
      'From the start of the last try of a job to its end; of jobs that were done or have failed.',
      () => groups,
    ),
  );
  setters.push(({ figures }) => void (groups = figures.groups));
  return (read) => setters.forEach((setter) => setter(read));
}

const each = (states: string[], kinds: string[], value: (state: string, kind: string) => [Labels, number]): Values =>
  states.flatMap((state) => kinds.map((kind) => value(state, kind)));

/** How many there are of each value, over all jobs of a benchmark; 0 where there are none. */
function counts<T extends string>(
  { figures, benchmarks }: Read,
  label: string,
  values: readonly T[],
  count: (group: JobGroup, value: T) => number,
): Values {
  const all = Map.groupBy(figures.groups, ({ benchmark }) => benchmark);
  return [...new Set([...benchmarks, ...all.keys()])].flatMap((benchmark) =>
    values.map((value): [Labels, number] => [
      { benchmark, [label]: value },
      sum((all.get(benchmark) ?? []).map((group) => count(group, value))),
    ]),
  );
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

function set(gauge: Gauge, values: (read: Read) => Values) {
  return (read: Read) => {
    gauge.reset();
    for (const [labels, value] of values(read)) gauge.set(labels, value);
  };
}

function add(counter: Counter, values: (read: Read) => Values) {
  return (read: Read) => {
    counter.reset();
    for (const [labels, value] of values(read)) counter.inc(labels, value);
  };
}

/**
 * A histogram of durations whose buckets were counted elsewhere: prom-client's own only takes one value after the
 * other. It is asked for no more than its name and get().
 */
function storedHistogram(name: string, help: string, read: () => readonly JobGroup[]): Metric {
  const lines = (own: readonly JobGroup[]) => {
    const { benchmark, kind } = own[0]!;
    const labels = { benchmark, kind };
    const count = sum(own.map(({ timed }) => timed));
    return [
      ...JOB_BOUNDS.map((le, index) => ({
        labels: { ...labels, le },
        value: sum(own.map(({ within }) => within[index]!)),
        metricName: `${name}_bucket`,
      })),
      { labels: { ...labels, le: '+Inf' }, value: count, metricName: `${name}_bucket` },
      { labels, value: sum(own.map(({ sum_s }) => sum_s)), metricName: `${name}_sum` },
      { labels, value: count, metricName: `${name}_count` },
    ];
  };
  const values = () =>
    [
      ...Map.groupBy(
        read().filter(({ timed }) => timed > 0),
        ({ benchmark, kind }) => `${kind} ${benchmark}`,
      ).values(),
    ].flatMap((own) => lines(own));
  return {
    name,
    get: async () => ({ name, help, type: 'histogram', aggregator: 'sum', values: values() }),
  } as unknown as Metric;
}

/**
 * How long each message has been seen to wait. The store does not keep since when, so a new server begins to count
 * anew.
 */
function waitingAges(now: () => number): (messages: ServiceFigures['messages']) => Read['waiting'] {
  let seen = new Map<string, number>();
  return (messages) => {
    const key = ({ channel, subject }: { channel: string; subject: string }) => `${channel}\n${subject}`;
    seen = new Map(messages.map((message) => [key(message), seen.get(key(message)) ?? now()]));
    return new Map(
      [...Map.groupBy(messages, ({ channel }) => channel)].map(([channel, own]) => [
        channel,
        {
          count: own.length,
          oldestS: Math.max(0, (now() - Math.min(...own.map((one) => seen.get(key(one))!))) / 1000),
        },
      ]),
    );
  };
}

/** Every request by its route (not by its address: anybody can think of those), and deliveries of GitHub. */
function watchRequests(http: Http, registry: Registry): void {
  const durations = new Histogram({
    name: 'mayfly_http_request_duration_seconds',
    help: 'From the arrival of a request to the end of its answer.',
    labelNames: ['method', 'route', 'status'],
    buckets: HTTP_BOUNDS,
    registers: [registry],
  });
  const deliveries = new Counter({
    name: 'mayfly_webhook_deliveries_total',
    help: 'Deliveries to /webhooks/github, by what they were answered with.',
    labelNames: ['event', 'status'],
    registers: [registry],
  });
  http.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url;
    durations.observe(
      { method: route === undefined ? 'any' : request.method, route: route ?? 'none', status: reply.statusCode },
      reply.elapsedTime / 1000,
    );
    const event = String(request.headers['x-github-event']);
    if (route === '/webhooks/github')
      deliveries.inc({ event: EVENTS.includes(event) ? event : 'other', status: reply.statusCode });
    done();
  });
}

/** What a worker knows of itself. */
export interface WorkerFigures {
  slots: number;
  busy: number;
  /** Jobs by what became of them in this process. */
  ended: ReadonlyMap<string, number>;
}

export const OUTCOMES = ['done', 'failed', 'cancelled', 'requeued', 'lost'] as const;

/** Metrics of one worker process. */
export function workerMetrics(read: () => WorkerFigures): Metrics {
  const registry = new Registry();
  const slots = new Gauge({
    name: 'mayfly_worker_slots',
    help: 'Jobs that this worker takes at the same time.',
    registers: [registry],
  });
  const busy = new Gauge({ name: 'mayfly_worker_busy', help: 'Jobs that it is at.', registers: [registry] });
  const ended = new Counter({
    name: 'mayfly_worker_jobs_total',
    help: 'Jobs of this process by what became of them; requeued: tried again or handed back.',
    labelNames: ['outcome'],
    registers: [registry],
  });
  ownProcess(registry);
  const refresh = () => {
    const figures = read();
    slots.set(figures.slots);
    busy.set(figures.busy);
    ended.reset();
    for (const outcome of OUTCOMES) ended.inc({ outcome }, figures.ended.get(outcome) ?? 0);
  };
  return { text: () => (refresh(), registry.metrics()), contentType: registry.contentType };
}

/** The usual ones. prom-client's whole set would wake the worker a hundred times a second while it measures. */
function ownProcess(registry: Registry): void {
  const registers = [registry];
  new Gauge({
    name: 'process_start_time_seconds',
    help: 'Start of the process, in seconds since the epoch.',
    registers,
  }).set(Math.round(Date.now() / 1000 - process.uptime()));
  new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Memory that the process holds.',
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'CPU time of the process, user and system.',
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
}
