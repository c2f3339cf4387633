/**
 * What Prometheus scrapes: counters and classic histograms (Prometheus makes native ones of them), counted by the
 * sending threads in memory that they share with the thread that answers, so that a scrape holds up no request.
 * Exposition format: prometheus.io/docs/instrumenting/exposition_formats.
 */
import type { Server } from 'node:http';

/** Names of requests that are told apart. */
export const MAX_NAMES = 100;
export const OTHER_NAMES = '(other)';
/** Combinations of phase, side, name and status that are told apart. */
const MAX_STATUSES = 2048;

const LEAST_S = 50e-6;
const STEP = 1.08;
const LOG_STEP = Math.log(STEP);
/** Upper bounds of the buckets in seconds: 50 µs to 28 s in steps of 8 %. */
export const BOUNDS: readonly number[] = Array.from({ length: 173 }, (_, i) =>
  Number((LEAST_S * STEP ** i).toPrecision(6)),
);

/** Number of the bucket of a value; BOUNDS.length for one above the last. */
export function bucketOf(seconds: number): number {
  if (!(seconds > LEAST_S)) return 0;
  const bucket = Math.ceil(Math.log(seconds / LEAST_S) / LOG_STEP - 1e-6);
  return bucket < BOUNDS.length ? bucket : BOUNDS.length;
}

const SIDES = 2;
/** Buckets, the one above the last, and the sum. */
const HISTOGRAM = BOUNDS.length + 2;
const SUM = BOUNDS.length + 1;
const GROUPS = 2 * SIDES; // phase and side
const DURATION = 0;
const RESPONSE = DURATION + GROUPS * MAX_NAMES * HISTOGRAM;
const LAG = RESPONSE + GROUPS * HISTOGRAM;
const ITERATIONS = LAG + GROUPS * HISTOGRAM;
const DROPPED = ITERATIONS + GROUPS;
const IN_FLIGHT = DROPPED + GROUPS;
const STATUS = IN_FLIGHT + SIDES;
const LENGTH = STATUS + MAX_STATUSES;

export type LiveCells = Float64Array<SharedArrayBuffer>;
export const newCells = (): LiveCells => new Float64Array(new SharedArrayBuffer(LENGTH * 8));

/** What a thread tells of its cells: which name has a number, which request a counter counts. */
export type LiveNews =
  | { live: 'name'; number: number; name: string }
  | { live: 'status'; slot: number; group: number; name: number; status: number };

/** Counts; one for each thread that sends. */
export class LiveWriter {
  readonly #cells: LiveCells;
  readonly #tell: (news: LiveNews) => void;
  readonly #slots = new Map<number, number>();

  constructor(cells: LiveCells, tell: (news: LiveNews) => void) {
    this.#cells = cells;
    this.#tell = tell;
  }

  name(number: number, name: string): void {
    this.#tell({ live: 'name', number, name });
  }

  startLag(phase: number, side: number, seconds: number): void {
    this.#observe(LAG + (phase * SIDES + side) * HISTOGRAM, seconds);
  }

  dropped(phase: number, side: number): void {
    this.#cells[DROPPED + phase * SIDES + side]!++;
  }

  iterated(phase: number, side: number, responseS: number | null): void {
    this.#cells[ITERATIONS + phase * SIDES + side]!++;
    if (responseS !== null) this.#observe(RESPONSE + (phase * SIDES + side) * HISTOGRAM, responseS);
  }

  /** `latencyS`: null of one that failed, which is counted and not timed. */
  requested(phase: number, side: number, name: number, status: number, latencyS: number | null): void {
    const group = phase * SIDES + side;
    if (latencyS !== null) this.#observe(DURATION + (group * MAX_NAMES + name) * HISTOGRAM, latencyS);
    const key = (group * MAX_NAMES + name) * 1000 + status;
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = Math.min(this.#slots.size, MAX_STATUSES - 1);
      this.#slots.set(key, slot);
      this.#tell({ live: 'status', slot, group, name, status });
    }
    this.#cells[STATUS + slot]!++;
  }

  inFlight(side: number, count: number): void {
    this.#cells[IN_FLIGHT + side] = count;
  }

  #observe(at: number, seconds: number): void {
    this.#cells[at + bucketOf(seconds)]!++;
    this.#cells[at + SUM]! += seconds;
  }
}

interface Thread {
  cells: LiveCells;
  names: Map<number, string>;
  statuses: Map<number, { group: number; name: number; status: number }>;
}

export interface LiveLabels {
  sides: readonly { name: string; commit: string }[];
  maxInFlight: number;
}

/** Adds up what all threads have counted. */
export class LiveReader {
  readonly #labels: LiveLabels;
  readonly #threads: Thread[] = [];

  constructor(labels: LiveLabels) {
    this.#labels = labels;
  }

  /** A thread's cells; what it tells goes to the function that comes back. */
  add(cells: LiveCells): (news: LiveNews) => void {
    const thread: Thread = { cells, names: new Map(), statuses: new Map() };
    this.#threads.push(thread);
    return (news) => {
      if (news.live === 'name') thread.names.set(news.number, news.name);
      else thread.statuses.set(news.slot, { group: news.group, name: news.name, status: news.status });
    };
  }

  text(): string {
    return `${[...this.#histograms(), ...this.#counters()].join('\n')}\n`;
  }

  *#histograms(): Iterable<string> {
    yield* this.#family(
      'mayfly_request_duration_seconds',
      'From sending a request to the end of its answer, of those that did not fail.',
      (group) => {
        const named = new Map<string, Float64Array>();
        for (const { cells, names } of this.#threads) {
          for (const [number, name] of names)
            addInto(named, `name="${escapeLabel(name)}"`, cells, DURATION + (group * MAX_NAMES + number) * HISTOGRAM);
        }
        return named;
      },
    );
    for (const [metric, about, at] of [
      [
        'mayfly_response_time_seconds',
        'From the scheduled start of an iteration to its end, of those in which nothing failed.',
        RESPONSE,
      ],
      ['mayfly_start_lag_seconds', 'How late an iteration started.', LAG],
    ] as const) {
      yield* this.#family(metric, about, (group) => {
        const all = new Map<string, Float64Array>();
        for (const { cells } of this.#threads) addInto(all, '', cells, at + group * HISTOGRAM);
        return all;
      });
    }
  }

  *#family(metric: string, about: string, of: (group: number) => Map<string, Float64Array>): Iterable<string> {
    yield `# HELP ${metric} ${about}`;
    yield `# TYPE ${metric} histogram`;
    for (const { group, labels } of this.#groups()) {
      for (const [more, cells] of of(group)) {
        const all = more ? `${labels},${more}` : labels;
        let count = 0;
        const lines: string[] = [];
        for (let bucket = 0; bucket < BOUNDS.length; bucket++) {
          count += cells[bucket]!;
          lines.push(`${metric}_bucket{${all},le="${BOUNDS[bucket]}"} ${count}`);
        }
        count += cells[BOUNDS.length]!;
        if (count === 0) continue;
        yield* lines;
        yield `${metric}_bucket{${all},le="+Inf"} ${count}`;
        yield `${metric}_sum{${all}} ${cells[SUM]}`;
        yield `${metric}_count{${all}} ${count}`;
      }
    }
  }

  *#counters(): Iterable<string> {
    yield '# HELP mayfly_requests_total Requests that ended, by HTTP status; 0 where no answer came. Of other protocols: 200 where it went well, else 0.';
    yield '# TYPE mayfly_requests_total counter';
    const counted = new Map<string, number>();
    for (const { cells, names, statuses } of this.#threads) {
      for (const [slot, { group, name, status }] of statuses) {
        const labels = `${this.#group(group)},name="${escapeLabel(names.get(name) ?? OTHER_NAMES)}",status="${status}"`;
        counted.set(labels, (counted.get(labels) ?? 0) + cells[STATUS + slot]!);
      }
    }
    for (const [labels, count] of counted) yield `mayfly_requests_total{${labels}} ${count}`;
    for (const [metric, about, at] of [
      ['mayfly_iterations_total', 'Iterations that ended.', ITERATIONS],
      [
        'mayfly_dropped_iterations_total',
        'Iterations that were due and not started: too many were under way.',
        DROPPED,
      ],
    ] as const) {
      yield `# HELP ${metric} ${about}`;
      yield `# TYPE ${metric} counter`;
      for (const { group, labels } of this.#groups()) yield `${metric}{${labels}} ${this.#sum(at + group)}`;
    }
    yield '# HELP mayfly_in_flight Iterations that are under way.';
    yield '# TYPE mayfly_in_flight gauge';
    for (const [side, { name, commit }] of this.#labels.sides.entries())
      yield `mayfly_in_flight{side="${name}",commit="${escapeLabel(commit)}"} ${this.#sum(IN_FLIGHT + side)}`;
    yield '# HELP mayfly_max_in_flight Iterations that may be under way at once.';
    yield '# TYPE mayfly_max_in_flight gauge';
    for (const { name, commit } of this.#labels.sides)
      yield `mayfly_max_in_flight{side="${name}",commit="${escapeLabel(commit)}"} ${this.#labels.maxInFlight}`;
  }

  #groups(): { group: number; labels: string }[] {
    return [0, 1].flatMap((phase) =>
      this.#labels.sides.map((_, side) => ({ group: phase * SIDES + side, labels: this.#group(phase * SIDES + side) })),
    );
  }

  /** The label is called `scenario` since k6 called it so, and archives hold both. */
  #group(group: number): string {
    const { name, commit } = this.#labels.sides[group % SIDES]!;
    return `side="${name}",commit="${escapeLabel(commit)}",scenario="${group < SIDES ? 'warmup' : 'measure'}"`;
  }

  #sum(at: number): number {
    return this.#threads.reduce((sum, { cells }) => sum + cells[at]!, 0);
  }
}

function addInto(all: Map<string, Float64Array>, key: string, cells: LiveCells, at: number): void {
  let sums = all.get(key);
  if (!sums) all.set(key, (sums = new Float64Array(HISTOGRAM)));
  for (let i = 0; i < HISTOGRAM; i++) sums[i]! += cells[at + i]!;
}

const escapeLabel = (text: string) => text.replace(/[\\"\n]/g, (letter) => (letter === '\n' ? '\\n' : `\\${letter}`));

/** Serves the text at /metrics. `address`: host and port. */
export async function serveMetrics(reader: LiveReader, address: string): Promise<Server> {
  // imported it would load fetch with it: 10 MB in each thread
  const { createServer } = process.getBuiltinModule('node:http');
  const [host, port] = address.split(':') as [string, string];
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') return void response.writeHead(404).end();
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(reader.text());
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(Number(port), host, resolve));
  return server;
}
