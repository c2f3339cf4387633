/** Dashboard *Runs*: the newest runs of the archive in one table; the home page. */
import { toCompare, toHistory, toRun, UIDS } from './links.ts';
import { type Column, type Dashboard, dashboard, tablePanel, variable } from './panels.ts';
import { durations, linkRange, medians, RANGE, starts, TREND } from './queries.ts';

/** Rows of the table. */
const ROWS = 200;

const CHOSEN = 'benchmark=~"$benchmark",host=~"$host"';
const RUNS = `topk(${ROWS}, ${starts(CHOSEN, RANGE)})`;
const ofThem = (expr: string): string => `(${expr}) and on (run_id) ${RUNS}`;

/** Metrics that every benchmark has, as columns. */
const METRICS: readonly { name: string; title: string; unit: string }[] = [
  { name: 'latency_med', title: 'Median latency', unit: 's' },
  { name: 'latency_p95', title: 'p95 latency', unit: 's' },
  { name: 'cpu_seconds_per_request', title: 'CPU per request', unit: 's' },
  { name: 'memory_peak', title: 'Peak memory', unit: 'bytes' },
  { name: 'request_rate', title: 'Request rate', unit: 'reqps' },
  { name: 'failed_requests', title: 'Failed', unit: 'percentunit' },
];

const COLOURS = { green: 'green', yellow: 'yellow', red: 'red' };
const VERDICTS = {
  REGRESSION: { text: 'REGRESSION', color: COLOURS.red },
  INVALID: { text: 'INVALID', color: COLOURS.yellow },
  INCONCLUSIVE: { text: 'INCONCLUSIVE', color: COLOURS.yellow },
  PASS: { text: 'PASS', color: COLOURS.green },
  IMPROVEMENT: { text: 'IMPROVEMENT', color: COLOURS.green },
};

const rounds = (valid: string): string =>
  `sum by (run_id) (last_over_time(mayfly_rounds{${TREND},${CHOSEN},side="candidate",valid="${valid}"}${RANGE}))`;

const COLUMNS: Column[] = [
  { field: 'Value #start', title: 'Start', unit: 'dateTimeAsIso', width: 170 },
  { field: 'benchmark', title: 'Benchmark', links: [toHistory] },
  { field: 'commit', title: 'Commit', width: 120 },
  { field: 'ref', title: 'Ref' },
  { field: 'branch', title: 'Branch, if not the default one' },
  { field: 'variant', title: 'Variant' },
  { field: 'against', title: 'Against', width: 120 },
  { field: 'status', title: 'Status' },
  { field: 'verdict', title: 'Verdict', texts: VERDICTS },
  { field: 'Value #rounds', title: 'Valid rounds', unit: 'short' },
  { field: 'Value #invalid', title: 'Invalid rounds', unit: 'short' },
  { field: 'Value #duration', title: 'Duration', unit: 's' },
  ...METRICS.map(({ name, title, unit }) => ({ field: `Value #${name}`, title, unit })),
  { field: 'run_id', title: 'Run', width: 240, links: [toRun(true), toCompare(true)] },
  { field: 'host', title: 'Host', width: 120 },
  { field: 'Value #from', title: 'from', hidden: true },
  { field: 'Value #to', title: 'to', hidden: true },
];

export function runsDashboard(): Dashboard {
  const range = linkRange(RUNS, durations(CHOSEN, RANGE));
  return dashboard({
    uid: UIDS.runs,
    title: 'Runs',
    description:
      'Every run of the archive, newest first, with links to the run itself, to a comparison and to the history of its benchmark.',
    from: 'now-30d',
    variables: [
      variable({
        name: 'benchmark',
        label: 'Benchmark',
        description: 'Benchmarks that are shown',
        query: `label_values(mayfly_run_start_timestamp_seconds{${TREND}}, benchmark)`,
        multi: true,
        onTimeRange: true,
      }),
      variable({
        name: 'host',
        label: 'Host',
        description: 'Hosts that are shown, by fingerprint',
        query: `label_values(mayfly_run_start_timestamp_seconds{${TREND},benchmark=~"$benchmark"}, host)`,
        multi: true,
        onTimeRange: true,
      }),
    ],
    rows: [
      {
        title: 'Runs',
        panels: [
          tablePanel({
            title: `The newest ${ROWS} runs of the time range`,
            description:
              "One row a run. Metrics are the candidate's: the median over its valid rounds. The link in the column Run opens the run with the time range set to it. From the trend stream, so a run is here as soon as it has been shipped.",
            width: 24,
            height: 24,
            noValue: 'no run in this time range',
            joinBy: 'run_id',
            queries: [
              { ref: 'start', expr: `1000 * ${RUNS}` },
              { ref: 'from', expr: range.from },
              { ref: 'to', expr: range.to },
              { ref: 'duration', expr: ofThem(`sum by (run_id) (${durations(CHOSEN, RANGE)})`) },
              { ref: 'rounds', expr: ofThem(rounds('true')) },
              { ref: 'invalid', expr: ofThem(rounds('false')) },
              ...METRICS.map(({ name }) => ({
                ref: name,
                expr: ofThem(`sum by (run_id) (${medians(`${CHOSEN},metric="${name}",side="candidate"`, RANGE)})`),
              })),
            ],
            columns: COLUMNS,
            sortBy: { field: 'Value #start', desc: true },
          }),
        ],
      },
    ],
  });
}
