/** PromQL that several dashboards and the alerting rules share. Pure. `$name` is a variable of the dashboard. */
import { requests } from '../../scripts/measure/collect/load-metrics.ts';

/** Select one stream alone: Store then looks into no block of the other. */
export const TREND = 'stream="trend"';
export const RAW = 'stream="raw"';

/**
 * A window around every run ever made, whatever the time range of the dashboard is. The variables of a dashboard that
 * shows one run need it: the time range there is that run's, and another run is to be picked.
 */
export const EVER = '[20y] offset -10y';

/** The time range of the dashboard, seen from its end. */
export const RANGE = '[$__range]';

/** Runs offered by a variable and points of a chart: more is neither read nor drawn by anybody. */
export const MAX_RUNS = 1000;

/** Start of runs, in epoch seconds; one series a run, with everything that describes it as labels. */
export const starts = (selector: string, window: string): string =>
  `last_over_time(mayfly_run_start_timestamp_seconds{${TREND},${selector}}${window})`;

/** Length of runs in seconds. */
export const durations = (selector: string, window: string): string =>
  `last_over_time(mayfly_run_duration_seconds{${TREND},${selector}}${window})`;

/** The median over the valid rounds of each run; one series for each run, metric and side. */
export const medians = (selector: string, window: string): string =>
  `quantile_over_time(0.5, mayfly_sample{${TREND},${selector}}${window})`;

/** Room before and after a run in a link's time range, in seconds. */
const ROOM_S = 5;

/**
 * Start and end of a link's time range in epoch milliseconds, by run_id, from the starts and the durations of runs;
 * those without both have none.
 */
export function linkRange(starts: string, durations: string): { from: string; to: string } {
  return {
    from: `round(1000 * (sum by (run_id) (${starts}) - ${ROOM_S}))`,
    to: `round(1000 * (sum by (run_id) (${starts}) + on (run_id) sum by (run_id) (${durations}) + ${ROOM_S}))`,
  };
}

/** A variable's query: the newest runs of a benchmark, newest first, with a label `text` to show. */
export const runOptions = `query_result(sort_desc(label_join(label_replace(topk(${MAX_RUNS}, max by (run_id, commit, verdict) (${starts('benchmark="$benchmark"', EVER)})), "short", "$1", "commit", "(.{1,7}).*"), "text", " ", "run_id", "short", "verdict")))`;
export const RUN_REGEX = '/run_id="(?<value>[^"]+)".*text="(?<text>[^"]+)"/';

/**
 * Percentile of the series of a native histogram over the last seconds, by `labels`. `shift`: ` offset …` or nothing.
 */
export const percentile = (share: number, series: string, labels: string, shift = ''): string =>
  `histogram_quantile(${share}, sum by (${labels}) (rate(${series}[$__rate_interval]${shift})))`;

/** Rate of the series of a counter, summed by `labels`; of all together where there are none. */
export const rateOf = (series: string, labels: string, shift = ''): string =>
  `sum${labels ? ` by (${labels})` : ''} (rate(${series}[$__rate_interval]${shift}))`;

/** Requests whose status is not 2xx or 3xx, as a share of all. Status 0 stands for no answer. */
export function failedShare(selector: string, labels: string, shift = ''): string {
  const all = rateOf(requests(selector), labels, shift);
  return `(${rateOf(requests(`${selector},status!~"[23].."`), labels, shift)} or 0 * ${all}) / ${all}`;
}

/**
 * Share of the time spent in garbage collection, by service: of Node.js, Go and the JVM, whichever the service exposes.
 */
export const garbageCollection = (selector: string, labels: string, shift = ''): string =>
  ['nodejs_gc_duration_seconds_sum', 'go_gc_duration_seconds_sum', 'jvm_gc_collection_seconds_sum']
    .map((name) => rateOf(`${name}{${selector}}`, labels, shift))
    .join(' or ');

/** Heap in use in bytes, by service, of the same three. */
export const heapUsed = (selector: string, labels: string): string =>
  [
    `nodejs_heap_size_used_bytes{${selector}}`,
    `go_memstats_heap_inuse_bytes{${selector}}`,
    `jvm_memory_bytes_used{area="heap",${selector}}`,
  ]
    .map((one) => `sum by (${labels}) (${one})`)
    .join(' or ');

/**
 * Unit of a metric in the trend stream (a regular expression) -> unit of Grafana, with the name of a query for it and
 * the heading of a table.
 */
export const UNITS: readonly { unit: string; grafana: string; ref: string; title: string }[] = [
  { unit: 's', grafana: 's', ref: 'seconds', title: 'Times' },
  { unit: 'bytes', grafana: 'bytes', ref: 'bytes', title: 'Sizes' },
  { unit: 'ratio', grafana: 'percentunit', ref: 'ratio', title: 'Shares' },
  { unit: '1/s|count', grafana: 'short', ref: 'number', title: 'Rates and counts' },
];
