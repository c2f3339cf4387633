/** The summary that the k6 library prints (handleSummary), and the exact values of one side in it. */
import type { SideName } from '../types.ts';

export interface K6Summary {
  metrics: Record<string, { type: string; contains: string; values: Record<string, number> }>;
}

/** Values of one side over the measured window. Times in seconds. */
export interface SideSummary {
  requests: number;
  iterations: number;
  /** Share of requests that failed, 0 to 1. */
  failedShare: number;
  latency: TrendValues;
  /** From the scheduled start to the end of the answer. */
  response: TrendValues;
  startLag: TrendValues;
}

export interface TrendValues {
  avg: number;
  min: number;
  med: number;
  max: number;
  p90: number;
  p95: number;
  p99: number;
}

/** The summary in k6's standard output, or null where there is none (k6 was killed). */
export function readSummary(stdout: string): K6Summary | null {
  const start = stdout.indexOf('{');
  if (start < 0) return null;
  try {
    const summary = JSON.parse(stdout.slice(start)) as K6Summary;
    return typeof summary.metrics === 'object' ? summary : null;
  } catch {
    return null;
  }
}

/** What k6 measured for one side, or null where no request of it ended in the window. */
export function sideSummary(summary: K6Summary, side: SideName): SideSummary | null {
  const of = (metric: string) => summary.metrics[`${metric}{scenario:measure,side:${side}}`]?.values;
  const latency = of('http_req_duration');
  if (!latency || !of('http_reqs')?.count) return null;
  return {
    requests: of('http_reqs')!.count!,
    iterations: of('iterations')?.count ?? 0,
    failedShare: of('http_req_failed')?.rate ?? 0,
    latency: trend(latency),
    response: trend(of('mayfly_response_time') ?? {}),
    startLag: trend(of('mayfly_start_lag') ?? {}),
  };
}

/** Iterations that were due in this phase and for which no virtual user was free, over all sides. */
export function droppedIterations(summary: K6Summary, scenario: 'warmup' | 'measure'): number {
  return summary.metrics[`dropped_iterations{scenario:${scenario}}`]?.values.count ?? 0;
}

/** k6 gives milliseconds. */
function trend(values: Record<string, number>): TrendValues {
  const seconds = (key: string) => (values[key] ?? Number.NaN) / 1000;
  return { avg: seconds('avg'), min: seconds('min'), med: seconds('med'), max: seconds('max'), p90: seconds('p(90)'), p95: seconds('p(95)'), p99: seconds('p(99)') };
}
