/**
 * What the load generator leaves of a run, in its metrics and in the store: the names by which every reader finds it.
 * A run of before there was a generator of our own is one of k6. Its names are here and nowhere else. Pure.
 */
import type { SideResult, Times } from '../../../loadgen/result.ts';
import type { SideName } from '../../documents/run.ts';

/** PromQL of the series of a metric, under the name of ours or that of k6: a run has one of them. */
const either =
  (ours: string, ofK6: string) =>
  (selector: string): string =>
    `{__name__=~"${ours}|${ofK6}",${selector}}`;

/** Counters, by `status` (0: no answer) and by `scenario` (warmup, measure). */
export const requests = either('mayfly_requests_total', 'k6_http_reqs_total');
export const iterations = either('mayfly_iterations_total', 'k6_iterations_total');
/** Native histograms, in seconds. */
export const requestDuration = either('mayfly_request_duration_seconds', 'k6_http_req_duration_seconds');
export const responseTime = either('mayfly_response_time_seconds', 'k6_mayfly_response_time_seconds');
export const startLag = either('mayfly_start_lag_seconds', 'k6_mayfly_start_lag_seconds');
/** Gauges: iterations that are under way and how many may be; of k6 its virtual users, of both sides together. */
export const inFlight = either('mayfly_in_flight', 'k6_vus');
export const maxInFlight = either('mayfly_max_in_flight', 'k6_vus_max');

/** Share of the requests that are as fast or faster: its name in a result of ours, and in one of k6. */
const QUANTILES: readonly [share: number, ours: keyof Times, ofK6: string][] = [
  [0, 'min', 'min'],
  [0.5, 'med', 'med'],
  [0.9, 'p90', 'p(90)'],
  [0.95, 'p95', 'p(95)'],
  [0.99, 'p99', 'p(99)'],
  [0.999, 'p999', 'p(99.9)'],
  [1, 'max', 'max'],
];

export const QUANTILE_SHARES: readonly number[] = QUANTILES.map(([share]) => share);

/** Exact latency of one side over one window. */
export interface ExactLatency {
  requests: number;
  quantiles: { share: number; seconds: number }[];
}

/** What the store keeps beside a round, as far as it is of the load generator. Of another one than ours: null. */
interface Detail {
  load?: SideResult | null;
  /** The summary of k6: metrics by name and tags; times are milliseconds. */
  k6?: Record<string, { values: Record<string, number> } | undefined> | null;
}

/** `detail`: of store.details(). Null where the generator gave none. */
export function exactLatency(detail: unknown, side: SideName): ExactLatency | null {
  const { load, k6 } = (detail ?? {}) as Detail;
  if (load?.latency)
    return exact(
      load.latency.count,
      QUANTILES.map(([share, name]) => [share, load.latency![name]]),
    );
  const values = k6?.[`http_req_duration{scenario:measure,side:${side}}`]?.values;
  return values
    ? exact(
        values.count ?? 0,
        QUANTILES.map(([share, , name]) => [share, values[name]! / 1000]),
      )
    : null;
}

function exact(requests: number, quantiles: [share: number, seconds: number][]): ExactLatency {
  return {
    requests,
    quantiles: quantiles
      .filter(([, seconds]) => Number.isFinite(seconds))
      .map(([share, seconds]) => ({ share, seconds })),
  };
}
