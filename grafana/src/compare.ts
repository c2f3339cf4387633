/**
 * Dashboard *Compare*: run B laid over run A by the time since their start, however far apart they are. The time range
 * is A's; the hidden variable `delta` is what PromQL's `offset` moves B by.
 */
import { requestDuration, requests, responseTime } from '../../scripts/measure/collect/load-metrics.ts';
import { swapped, timeOfA, toRun, UIDS } from './links.ts';
import {
  choice,
  type Dashboard,
  dashboard,
  type Link,
  type SeriesSpec,
  seriesPanel,
  tablePanel,
  variable,
} from './panels.ts';
import {
  durations,
  EVER,
  failedShare,
  garbageCollection,
  linkRange,
  medians,
  percentile,
  RAW,
  RUN_REGEX,
  rateOf,
  runOptions,
  starts,
} from './queries.ts';
import { benchmarkVariable } from './run.ts';
import { metricTables } from './tables.ts';

const A = { selector: `${RAW},run_id="$run_a",side="$side_a"`, shift: '' };
const B = { selector: `${RAW},run_id="$run_b",side="$side_b"`, shift: ' offset ${delta}ms' };

const NEEDS_RANGE = 'no data: set the time range to run A with the link in the table at the top';

interface Compared {
  title: string;
  description: string;
  unit: string;
  /** The query of one run; one series. */
  make: (selector: string, shift: string) => string;
  /** false: only laid over each other, since what it divides by is 0 as a rule. */
  difference?: boolean;
  noValue?: string;
}

const percentileOf =
  (share: number, series: (selector: string) => string): Compared['make'] =>
  (selector, shift) =>
    percentile(share, series(selector), 'run_id', shift);
const counterOf =
  (series: (selector: string) => string): Compared['make'] =>
  (selector, shift) =>
    rateOf(series(selector), 'run_id', shift);

const COMPARED: Compared[] = [
  {
    title: 'Median latency',
    description: 'p50 of the last seconds, from sending a request to the end of the answer.',
    unit: 's',
    make: percentileOf(0.5, requestDuration),
  },
  {
    title: 'p95 latency',
    description: 'p95 of the last seconds.',
    unit: 's',
    make: percentileOf(0.95, requestDuration),
  },
  {
    title: 'p99 latency',
    description: 'p99 of the last seconds. Of few requests it is little more than the greatest.',
    unit: 's',
    make: percentileOf(0.99, requestDuration),
  },
  {
    title: 'p99 response time',
    description: 'From the scheduled start to the end of the answer, so that a stall cannot hide.',
    unit: 's',
    make: percentileOf(0.99, responseTime),
  },
  { title: 'Request rate', description: 'Requests sent per second.', unit: 'reqps', make: counterOf(requests) },
  {
    title: 'CPU of the services',
    description: 'CPU time of all services of the side per second: 1 is one core.',
    unit: 'suffix: cores',
    make: counterOf((selector) => `container_cpu_usage_seconds_total{${selector},job="containers"}`),
  },
  {
    title: 'Memory of the services',
    description: 'Working set of all services of the side together.',
    unit: 'bytes',
    make: (selector, shift) =>
      `sum by (run_id) (container_memory_working_set_bytes{${selector},job="containers"}${shift})`,
  },
  {
    title: 'Failed requests',
    description: 'Share of the requests without an answer or with a status other than 2xx and 3xx.',
    unit: 'percentunit',
    make: (selector, shift) => failedShare(selector, 'run_id', shift),
    difference: false,
  },
  {
    title: 'Garbage collection',
    description: 'Share of the time that the services spent in garbage collection, where they expose it.',
    unit: 'percentunit',
    make: (selector, shift) => garbageCollection(`${selector},job="services"`, 'run_id', shift),
    difference: false,
    noValue: "no telemetry, or the time range is not run A's",
  },
];

const overlay = ({ title, description, unit, make, noValue }: Compared): SeriesSpec => ({
  title,
  description: `${description} A as it was, B moved to the time since its start.`,
  unit,
  noValue: noValue ?? NEEDS_RANGE,
  queries: [
    { expr: make(A.selector, A.shift), legend: 'A {{run_id}}' },
    { expr: make(B.selector, B.shift), legend: 'B {{run_id}}' },
  ],
});

const difference = ({ title, make }: Compared): SeriesSpec => ({
  title: `${title}: B against A`,
  description:
    'How much more B has than A at the same time since their start. Moments differ by chance: the table below compares whole rounds.',
  unit: 'percentunit',
  min: null,
  noValue: NEEDS_RANGE,
  // by run_id: one series each; on (): one against the other.
  queries: [
    { expr: `sum(${make(B.selector, B.shift)}) / sum(${make(A.selector, A.shift)} > 0) - 1`, legend: 'B / A - 1' },
  ],
});

const medianOf = (letter: 'a' | 'b') => ({
  ref: letter,
  title: letter.toUpperCase(),
  expr: (unit: string): string =>
    `sum by (metric) (${medians(`run_id="$run_${letter}",side="$side_${letter}",unit=~"${unit}"`, EVER)})`,
});
const MEDIANS = { a: medianOf('a'), b: medianOf('b') };

/** Time that B is moved by: milliseconds, since an offset takes whole ones only. */
const delta = `query_result(round(1000 * (sum(${starts('run_id="$run_a"', EVER)}) - sum(${starts('run_id="$run_b"', EVER)}))))`;

/** A table of one row. */
function oneRun(letter: 'A' | 'B', link: Link) {
  const selector = `run_id="$run_${letter.toLowerCase()}"`;
  const range = linkRange(starts(selector, EVER), durations(selector, EVER));
  return tablePanel({
    title: `Run ${letter}`,
    description: `What was run, when, and how it ended. ${letter === 'A' ? 'The link of the run sets the time range of this page to it.' : 'The link of the run makes it run A, with its time range, and A run B.'}`,
    width: 24,
    height: 4,
    joinBy: 'run_id',
    noValue: 'no such run in the trend stream',
    queries: [
      { ref: 'start', expr: `1000 * ${starts(selector, EVER)}` },
      { ref: 'from', expr: range.from },
      { ref: 'to', expr: range.to },
      { ref: 'duration', expr: `sum by (run_id) (${durations(selector, EVER)})` },
    ],
    columns: [
      { field: 'Value #start', title: 'Start', unit: 'dateTimeAsIso' },
      { field: 'run_id', title: `Run ${letter}`, links: [link, toRun(false)] },
      { field: 'Value #duration', title: 'Duration', unit: 's' },
      { field: 'commit', title: 'Commit' },
      { field: 'against', title: 'Against' },
      { field: 'status', title: 'Status' },
      { field: 'verdict', title: 'Verdict' },
      { field: 'host', title: 'Host' },
      { field: 'Value #from', title: 'from', hidden: true },
      { field: 'Value #to', title: 'to', hidden: true },
    ],
  });
}

export function compareDashboard(): Dashboard {
  return dashboard({
    uid: UIDS.compare,
    title: 'Compare',
    description:
      "Two runs of one benchmark, any age apart, laid over each other by the time since their start. The time range is run A's: a link from Runs sets it, and so does the link in the table at the top.",
    from: 'now-1h',
    variables: [
      benchmarkVariable(),
      variable({
        name: 'run_a',
        label: 'Run A',
        description: 'The run compared with; its time is the time range',
        query: runOptions,
        regex: RUN_REGEX,
        inOrder: true,
      }),
      choice('side_a', 'Side of A', 'candidate, or the baseline of a run with two sides', ['candidate', 'baseline']),
      variable({
        name: 'run_b',
        label: 'Run B',
        description: 'The run that is laid over it',
        query: runOptions,
        regex: RUN_REGEX,
        inOrder: true,
      }),
      choice('side_b', 'Side of B', 'candidate, or the baseline of a run with two sides', ['candidate', 'baseline']),
      variable({
        name: 'delta',
        label: 'Offset in ms',
        description: 'Start of A minus start of B in milliseconds',
        query: delta,
        regex: '/^\\{\\} (-?[0-9]+)/',
        hidden: true,
      }),
    ],
    rows: [
      {
        title: 'The two runs',
        panels: [
          oneRun('A', timeOfA),
          oneRun('B', swapped),
          ...metricTables(
            'The median over the valid rounds of each run, and how much more B has. Runs at different times differ by what the host does: `npm run compare` says what that is worth.',
            [MEDIANS.a, MEDIANS.b],
            { title: 'B against A', of: MEDIANS.b, to: MEDIANS.a },
          ),
        ],
      },
      { title: 'Laid over each other', panels: COMPARED.map((one) => seriesPanel(overlay(one))) },
      {
        title: 'The difference',
        panels: COMPARED.filter((one) => one.difference !== false).map((one) => seriesPanel(difference(one))),
      },
    ],
  });
}
