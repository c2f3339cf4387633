/** A run as it is stored and printed, for the tests of what reads runs. */

import type { SideResult, Times } from '../loadgen/result.ts';
import type { LoadDocument, Metric, RoundDocument, RunDocument, Sample, SideName } from '../scripts/documents/run.ts';
import { judgeRun } from '../scripts/judge/judge-run.ts';

const METRICS: Metric[] = [
  { name: 'latency_avg', unit: 's', better: 'lower', primary: false, margin: 0.01 },
  { name: 'latency_med', unit: 's', better: 'lower', primary: true, margin: 0.01 },
  { name: 'latency_p95', unit: 's', better: 'lower', primary: false, margin: 0.03 },
  { name: 'request_rate', unit: '1/s', better: 'higher', primary: false, margin: 0.01 },
  { name: 'failed_requests', unit: 'ratio', better: 'lower', primary: false, margin: 0.01 },
  { name: 'cpu_seconds_per_request', unit: 's', better: 'lower', primary: true, margin: 0.01 },
  { name: 'memory_peak', unit: 'bytes', better: 'lower', primary: false, margin: 0.01 },
  {
    name: 'search_p95',
    unit: 's',
    better: 'lower',
    primary: false,
    margin: 0.01,
    promql: 'histogram_quantile(0.95, x{$selector})',
  },
];

export function makeRound(
  side: SideName,
  round: number,
  values: Record<string, number>,
  reasons: RoundDocument['reasons'] = [],
): RoundDocument {
  const unit = (name: string) => METRICS.find((metric) => metric.name === name)?.unit ?? 's';
  const samples = Object.fromEntries(
    Object.entries(values).map(([name, value]): [string, Sample] => [name, { value, unit: unit(name) }]),
  );
  return {
    side,
    round,
    valid: reasons.length === 0,
    reasons,
    started_at: `2026-01-02T03:04:${String(round).padStart(2, '0')}.000Z`,
    window_s: 20,
    samples,
  };
}

const commit = (letter: string) => letter.repeat(40);

/** The load of a run of before Mayfly had a load generator of its own. */
export const K6_LOAD: LoadDocument = {
  generator: 'k6',
  target: 'http://shop:8080',
  rate: 200,
  duration_s: 20,
  warmup_s: 5,
  vus: 50,
};

/**
 * Exact result of a side of a round, as the load generator gives it and the store keeps it: its median is `med`
 * seconds.
 */
export function sideResult(side: SideName, med = 0.001): SideResult {
  const times: Times = {
    count: 4000,
    avg: 1.2 * med,
    min: 0.2 * med,
    med,
    max: 20 * med,
    p90: 2 * med,
    p95: 3 * med,
    p99: 5 * med,
    p999: 10 * med,
  };
  return {
    side,
    due: 4000,
    iterations: 4000,
    dropped: { warmup: 0, measure: 0 },
    requests: 4000,
    failed: 0,
    bytesReceived: 4e6,
    latency: times,
    response: times,
    startLag: times,
    names: [{ name: 'GET /', requests: 4000, failed: 0, latency: times }],
    journeys: [],
    failures: [],
  };
}

export function makeRun(laid: Partial<RunDocument> = {}): RunDocument {
  return {
    schema: 'mayfly.run/v1',
    run_id: '01JZZZZZZZZZZZZZZZZZZZZZZA',
    benchmark: 'shop',
    status: 'complete',
    started_at: '2026-01-02T03:04:00.000Z',
    finished_at: '2026-01-02T03:06:00.000Z',
    pairing: 'solo',
    sides: {
      candidate: {
        ref: 'HEAD',
        commit: commit('a'),
        subject: 'Make search faster',
        images: [{ name: 'shop', tag: 'mayfly/shop-shop:aaaaaaaaaaaa-1', id: 'sha256:1', source: 'built' }],
      },
    },
    host: {
      id: 'h0st',
      cpu_model: 'A CPU',
      cores: 2,
      memory_bytes: 8e9,
      kernel: '6.1.0',
      os: 'Debian 12',
      engine: '20.10.24',
    },
    stack_version: 'st4ck',
    labels: { branch: 'main' },
    load: {
      generator: 'mayfly 0.1.0',
      target: 'http://shop:8080',
      rate: 200,
      duration_s: 20,
      warmup_s: 5,
      max_in_flight: 50,
      model: 'open',
      arrivals: 'constant',
      timeout_s: 10,
      workers: 1,
      workload: 'w0rk',
    },
    cpusets: { services: '0', loadgen: '1', metrics: '1' },
    rounds_asked: 3,
    metrics: METRICS,
    rounds: [
      makeRound('candidate', 1, {
        latency_avg: 0.002,
        latency_med: 0.0011,
        latency_p95: 0.004,
        request_rate: 200,
        failed_requests: 0,
        cpu_seconds_per_request: 0.0005,
        memory_peak: 5e7,
        search_p95: 0.008,
      }),
      makeRound('candidate', 2, {
        latency_avg: 0.0021,
        latency_med: 0.0012,
        latency_p95: 0.0042,
        request_rate: 199.9,
        failed_requests: 0,
        cpu_seconds_per_request: 0.00051,
        memory_peak: 5.1e7,
        search_p95: 0.0082,
      }),
      makeRound('candidate', 3, {
        latency_avg: 0.0022,
        latency_med: 0.0013,
        latency_p95: 0.0044,
        request_rate: 200.1,
        failed_requests: 0,
        cpu_seconds_per_request: 0.00052,
        memory_peak: 5.2e7,
        search_p95: 0.0084,
      }),
    ],
    archive: { bucket: 'data/bucket', blocks: ['01JZZZZZZZZZZZZZZZZZZZZZZB'], verified: true, pending: false },
    stack_images: [{ ref: 'prom/prometheus:v3', id: 'sha256:2', source: 'built' }],
    compose: { run: { services: {} } },
    ...laid,
  };
}

/** The same with a baseline: the candidate is `factor` times the baseline in every metric. */
export function makeComparison(factor: number): RunDocument {
  const solo = makeRun();
  const baseline = solo.rounds.map(
    (round): RoundDocument => ({
      ...round,
      side: 'baseline',
      samples: Object.fromEntries(
        Object.entries(round.samples).map(([name, { value, unit }]) => [name, { value: value / factor, unit }]),
      ),
    }),
  );
  return {
    ...solo,
    pairing: 'interleaved',
    sides: { ...solo.sides, baseline: { ref: 'main', commit: commit('b'), images: [] } },
    rounds: solo.rounds.flatMap((round, i) => [round, baseline[i]!]),
  };
}

export interface JudgedOptions extends Partial<RunDocument> {
  /** Valid rounds; default 12. */
  count?: number;
  /** The candidate is so many times the baseline, metric by metric; default 1. */
  factors?: Record<string, number>;
  /** Standard deviation, about, of the log ratio of a round; default 0.2 %. */
  noise?: number;
  /** Other noise of the same kind. */
  seed?: number;
}

/**
 * A comparison as `npm run bench` leaves it, with its verdict: `count` rounds on a host that drifts by tens of per
 * cent, in which both sides differ by `factors` and noise.
 */
export function makeJudged({
  count = 12,
  factors = {},
  noise = 0.002,
  seed = 1,
  ...laid
}: JudgedOptions = {}): RunDocument {
  const random = generator(seed);
  const shape = makeComparison(1);
  const levels = Object.entries(shape.rounds[0]!.samples).map(([name, { value }]) => [name, value] as const);
  const rounds = Array.from({ length: count }, (_, i) => i + 1).flatMap((round) => {
    const host = 1 + 0.3 * Math.sin(round);
    const side = (factor: (name: string) => number) =>
      Object.fromEntries(
        levels.map(([name, value]) => [
          name,
          value * host * factor(name) * Math.exp(noise * (random() + random() + random() - 1.5) * Math.SQRT2),
        ]),
      );
    return [
      makeRound(
        'candidate',
        round,
        side((name) => factors[name] ?? 1),
      ),
      makeRound(
        'baseline',
        round,
        side(() => 1),
      ),
    ];
  });
  const run: RunDocument = {
    ...shape,
    rounds_asked: count,
    comparison: { design: 'sequential', min: 6, max: 40 },
    rounds,
    ...laid,
  };
  return { ...run, verdict: judgeRun(run) };
}

/** Evenly from 0 to 1, the same every time. Park and Miller, Commun. ACM 31 (1988). */
function generator(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}
