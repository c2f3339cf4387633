/**
 * A store as years of measuring leave it, made up: runs of 6 rounds of two sides and 20 metrics, with verdicts and the
 * raw material of a real size.
 */
import { ulid } from 'ulid';
import type { SideResult, Times } from '../../../loadgen/result.ts';
import { generator } from '../../../loadgen/schedule.ts';
import type { Metric, RoundDocument, RunDocument, SideName } from '../../documents/run.ts';
import { judgeRun } from '../../judge/judge-run.ts';
import { openStore, type Store } from '../../store/db.ts';
import { type Database, openDatabase } from '../../store/sqlite.ts';

export const ROUNDS = 6;
export const METRICS = 20;
/** Half of all runs are of the first one. */
export const BENCHMARKS = ['shop', 'caddy', 'checkout', 'search', 'login'];
/** Runs that differ; all others are like one of them, at another time and of another commit. */
const SHAPES = 40;
const BATCH = 50;
const HOUR_MS = 3600_000;
/** Of this many runs one is of a pull request; the others are of the default branch. */
const EVERY_PULL_REQUEST = 4;
/** A change point of the default branch comes after so many runs of a benchmark. */
const CHANGE_EVERY = 400;

const metrics: Metric[] = Array.from(
  { length: METRICS },
  (_, i): Metric => ({
    name:
      ['latency_med', 'latency_p95', 'cpu_seconds_per_request', 'latency_p99', 'request_rate', 'memory_peak'][i] ??
      `own_${i}`,
    unit: i === 5 ? 'bytes' : 's',
    better: i === 4 ? 'higher' : 'lower',
    primary: i < 3,
    margin: 0.02,
    margin_from: 'default',
  }),
);

type Random = () => number;

export interface Filled {
  /** Ids by benchmark, oldest first. */
  runs: Map<string, string[]>;
  seconds: number;
}

/**
 * Fills an empty store with `count` runs up to `until` (milliseconds since the epoch). The shapes are kept as runs are;
 * all others are copies of them made by SQL, or it would take many minutes.
 */
export function fillStore(file: string, count: number, until: number): Filled {
  const began = performance.now();
  const random = generator(11);
  const runs = new Map<string, string[]>(BENCHMARKS.map((name) => [name, []]));
  const made = Array.from({ length: count }, (_, n): Made => {
    const benchmark = BENCHMARKS[n % 2 === 0 ? 0 : 1 + (((n - 1) / 2) % (BENCHMARKS.length - 1))]!;
    const ids = runs.get(benchmark)!;
    const startedMs = until - (count - n) * HOUR_MS;
    const run_id = ulid(startedMs);
    return { run_id, benchmark, number: ids.push(run_id) - 1, startedMs };
  });
  const shapes = made.slice(0, SHAPES).map((one) => madeRun(shapeOf(random), one));
  const store = openStore(file);
  store.transaction(() => shapes.forEach((shape) => keep(store, shape)));
  store.close();
  const db = openDatabase(file);
  for (let n = SHAPES; n < count; n += BATCH)
    db.transaction(() => made.slice(n, n + BATCH).forEach((one, i) => copy(db, shapes[(n + i) % shapes.length]!, one)));
  db.close();
  return { runs, seconds: (performance.now() - began) / 1000 };
}

interface Made {
  run_id: string;
  benchmark: string;
  /** Of the runs of its benchmark. */
  number: number;
  startedMs: number;
}

function keep(store: Store, { verdict, rounds, ...run }: RunDocument): void {
  store.addRun({ ...run, rounds: [] });
  for (const round of rounds) store.saveRound(run.run_id, round, detailOf(round));
  store.saveVerdict(run.run_id, verdict!);
}

/** Another run like this one, at its own time and of its own commits. */
function copy(db: Database, shape: RunDocument, made: Made): void {
  const { run_id, benchmark, sides, started_at, finished_at, master, rounds, verdict } = madeRun(shape, made);
  const from = shape.run_id;
  db.run('INSERT INTO benchmark (name) VALUES (?) ON CONFLICT (name) DO NOTHING', benchmark);
  const same =
    'status, status_reason, pairing, host_id, stack_version, rounds_asked, host, load, cpusets, metrics, stack_images, compose, archive, archive_pending, comparison';
  db.run(
    `INSERT INTO run (run_id, benchmark, started_at, finished_at, master, ${same}) SELECT ?, ?, ?, ?, ?, ${same} FROM run WHERE run_id = ?`,
    run_id,
    benchmark,
    started_at,
    finished_at!,
    master ? 1 : 0,
    from,
  );
  for (const [side, { ref, commit, subject }] of Object.entries(sides))
    db.run(
      'INSERT INTO run_side (run_id, side, ref, commit_id, subject, images) SELECT ?, side, ?, ?, ?, images FROM run_side WHERE run_id = ? AND side = ?',
      run_id,
      ref,
      commit,
      subject ?? null,
      from,
      side,
    );
  if (!master)
    db.run(`INSERT INTO run_label (run_id, name, value) VALUES (?, 'pull_request', ?)`, run_id, String(made.number));
  for (const { side, round, started_at: at } of rounds)
    db.run(
      'INSERT INTO round (run_id, side, round, valid, reasons, started_at, window_s, detail) SELECT ?, side, round, valid, reasons, ?, window_s, detail FROM round WHERE run_id = ? AND side = ? AND round = ?',
      run_id,
      at,
      from,
      side,
      round,
    );
  db.run(
    'INSERT INTO sample (run_id, side, round, name, value, unit) SELECT ?, side, round, name, value, unit FROM sample WHERE run_id = ?',
    run_id,
    from,
  );
  db.run(
    'INSERT INTO verdict (run_id, verdict, document, judged_at) VALUES (?, ?, ?, ?)',
    run_id,
    verdict!.verdict,
    JSON.stringify(verdict),
    finished_at!,
  );
  if (made.number > 0 && made.number % CHANGE_EVERY === 0 && master) {
    db.run(
      'INSERT INTO change_point (benchmark, host_id, metric, run_id, commit_id, before_commit_id, at, ratio, found_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
      benchmark,
      shape.host.id,
      'latency_med',
      run_id,
      sides.candidate.commit,
      commitOf(benchmark, made.number - 1),
      started_at,
      1.05,
      finished_at!,
    );
  }
}

const commitOf = (benchmark: string, number: number) =>
  `${BENCHMARKS.indexOf(benchmark) + 1}${String(number).padStart(7, '0')}`.repeat(5);

function madeRun(
  { labels: _, master: __, ...shape }: RunDocument,
  { run_id, benchmark, number, startedMs }: Made,
): RunDocument {
  const at = (ms: number) => new Date(startedMs + ms).toISOString();
  const commit = commitOf(benchmark, number);
  const anchor = {
    ...shape.sides.baseline!,
    commit: commitOf(benchmark, Math.floor(number / CHANGE_EVERY) * CHANGE_EVERY),
  };
  const candidate = { ...shape.sides.candidate, commit, subject: `Change ${number} of ${benchmark}` };
  return {
    ...shape,
    run_id,
    benchmark,
    started_at: at(0),
    finished_at: at(120_000),
    sides: { candidate, baseline: anchor },
    ...(number % EVERY_PULL_REQUEST === EVERY_PULL_REQUEST - 1
      ? { labels: { pull_request: String(number) } }
      : { labels: {}, master: true }),
    rounds: shape.rounds.map((round) => ({ ...round, started_at: at(round.round * 18_000) })),
    verdict: {
      ...shape.verdict!,
      run_id,
      benchmark,
      candidate: { ref: 'main', commit, subject: candidate.subject },
      baseline: { ref: 'main', commit: anchor.commit },
    },
  };
}

function shapeOf(random: Random): RunDocument {
  const levels = new Map(metrics.map(({ name, unit }) => [name, unit === 'bytes' ? 5e7 : 0.001 * (1 + random())]));
  const rounds = Array.from({ length: ROUNDS }, (_, i) => i + 1).flatMap((round) => {
    const host = Math.exp(0.2 * (random() - 0.5));
    return (['candidate', 'baseline'] as const).map((side) =>
      roundOf(side, round, (name) => levels.get(name)! * host * Math.exp(0.01 * (random() - 0.5))),
    );
  });
  const image = {
    name: 'shop',
    tag: 'mayfly/shop-shop:0123456789ab-0123456789ab',
    id: `sha256:${'0'.repeat(64)}`,
    source: 'built' as const,
  };
  const run: RunDocument = {
    schema: 'mayfly.run/v1',
    run_id: '01JZZZZZZZZZZZZZZZZZZZZZZA',
    benchmark: 'shop',
    status: 'complete',
    started_at: '',
    finished_at: '',
    pairing: 'interleaved',
    sides: {
      candidate: { ref: 'main', commit: '', images: [image] },
      baseline: { ref: 'main', commit: '', images: [image] },
    },
    host: {
      id: 'perf-serve',
      cpu_model: 'made up',
      cores: 2,
      memory_bytes: 8e9,
      kernel: '6.1',
      os: 'Debian 12',
      engine: '20.10',
    },
    stack_version: '0123456789ab',
    labels: {},
    load: {
      generator: 'mayfly 0.1.0',
      target: 'http://shop:8080',
      rate: 400,
      duration_s: 9,
      warmup_s: 3,
      max_in_flight: 50,
      model: 'open',
      arrivals: 'constant',
      timeout_s: 10,
      workers: 1,
      workload: '0123456789ab',
    },
    cpusets: { services: '0', loadgen: '1', metrics: '1' },
    rounds_asked: ROUNDS,
    comparison: { design: 'fixed', min: ROUNDS, max: ROUNDS },
    metrics,
    rounds,
    archive: { bucket: 'made up', blocks: ['01JZZZZZZZZZZZZZZZZZZZZZZB'], verified: true, pending: false },
    stack_images: [{ ref: 'prom/prometheus', id: `sha256:${'1'.repeat(64)}`, source: 'built' }],
    compose: { run: { services: { filler: 'x'.repeat(4000) } } },
  };
  return { ...run, verdict: judgeRun(run) };
}

function roundOf(side: SideName, round: number, value: (name: string) => number): RoundDocument {
  return {
    side,
    round,
    valid: true,
    reasons: [],
    started_at: '',
    window_s: 9,
    samples: Object.fromEntries(metrics.map(({ name, unit }) => [name, { value: value(name), unit }])),
  };
}

/** What the load generator leaves of a round of a script with 20 names of requests: about 5 kB. */
function detailOf({ side, samples }: RoundDocument): unknown {
  const med = samples.latency_med!.value;
  const latency: Times = {
    count: 3600,
    avg: 1.1 * med,
    min: med / 3,
    med,
    max: 20 * med,
    p90: 2 * med,
    p95: 3 * med,
    p99: 5 * med,
    p999: 9 * med,
  };
  const names = Array.from({ length: 20 }, (_, i) => ({
    name: `GET /request/${i}`,
    requests: 180,
    failed: 0,
    latency,
  }));
  const load: SideResult = {
    side,
    due: 3600,
    iterations: 3600,
    dropped: { warmup: 0, measure: 0 },
    requests: 3600,
    failed: 0,
    bytesReceived: 3_600_000,
    latency,
    response: latency,
    startLag: latency,
    names,
    journeys: [],
    failures: [],
  };
  return { signals: { filler: 'x'.repeat(600) }, load };
}
