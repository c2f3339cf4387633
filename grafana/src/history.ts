/**
 * Dashboard *History*: each metric of a benchmark over its commits, from the trend stream alone. What Grafana gets is
 * bounded: a line of LINE_POINTS points a host, or some times as many, since Grafana rounds the step down; and at most
 * MAX_RUNS points of commits.
 */
import { toCompare, toRun, UIDS } from './links.ts';
import {
  annotation,
  choice,
  type Dashboard,
  dashboard,
  pointsPanel,
  seriesPanel,
  tablePanel,
  variable,
} from './panels.ts';
import { durations, linkRange, MAX_RUNS, medians, RANGE, starts, TREND, UNITS } from './queries.ts';

const LINE_POINTS = 100;
/**
 * Each point stands for the time up to the next one. Grafana rounds the end of a range query down to a multiple of its
 * step: without the offset, what is newer than that would not be seen for up to a step, which is hours here.
 */
const STEP = '[$__interval] offset -$__interval';
const CHOSEN = 'benchmark="$benchmark",host=~"$host"';
/** INVALID runs say nothing about a commit. */
const COMPLETE = `${CHOSEN},status="complete"`;
const SAMPLES = `${CHOSEN},side="$side",metric=~"$metric"`;

/** Start of the newest complete run of each commit, with the labels of the sample: the commit is that of the side. */
const pointsOf = (samples: string): string =>
  `topk(${MAX_RUNS}, topk by (commit, host, branch, variant, metric) (1, 0 * ${medians(samples, RANGE)} + on (run_id) group_left () ${starts(COMPLETE, RANGE)}))`;
const points = pointsOf(SAMPLES);

/** The values of a unit: the metric of a chart has one, and where it is another the query is cheap. */
function valuesOf(unit: string): string {
  const samples = `${SAMPLES},unit=~"${unit}"`;
  return `sum by (run_id) (${medians(samples, RANGE)}) and on (run_id) ${pointsOf(samples)}`;
}

const pointsRange = linkRange(points, durations(COMPLETE, RANGE));

/** Unit in a series' name, put there by the legend -> unit. */
const LEGEND_UNITS = [
  { regex: '/ in s,/', unit: 's' },
  { regex: '/ in bytes,/', unit: 'bytes' },
  { regex: '/ in ratio,/', unit: 'percentunit' },
  { regex: '/ in 1/s,/', unit: 'reqps' },
];

export function historyDashboard(): Dashboard {
  return dashboard({
    uid: UIDS.history,
    title: 'History',
    description:
      'The metrics of a benchmark over its commits: one point a commit, the line of the time between, and the change points. From the trend stream alone, so that ten thousand runs are cheap.',
    from: 'now-90d',
    variables: [
      variable({
        name: 'benchmark',
        label: 'Benchmark',
        description: 'The benchmark',
        query: `label_values(mayfly_run_start_timestamp_seconds{${TREND}}, benchmark)`,
        onTimeRange: true,
      }),
      variable({
        name: 'host',
        label: 'Host',
        description: 'Hosts, by fingerprint: values of different ones are not comparable',
        query: `label_values(mayfly_run_start_timestamp_seconds{${TREND},benchmark="$benchmark"}, host)`,
        multi: true,
        onTimeRange: true,
      }),
      // The names of the metrics of all runs would be read from every sample of every run.
      variable({
        name: 'newest',
        label: 'Newest run',
        description: 'The newest complete run, which has the metrics to choose from',
        query: `query_result(topk(1, max by (run_id) (${starts(COMPLETE, RANGE)})))`,
        regex: '/run_id="([^"]+)"/',
        hidden: true,
        onTimeRange: true,
      }),
      variable({
        name: 'metric',
        label: 'Metrics',
        description: 'One pair of charts for each; the metrics of the newest complete run',
        query: `label_values(mayfly_sample{${TREND},benchmark="$benchmark",run_id="$newest"}, metric)`,
        multi: true,
        current: ['latency_med', 'latency_p95', 'cpu_seconds_per_request'],
        onTimeRange: true,
      }),
      choice('side', 'Side', 'candidate: the commit that a run was made for; baseline: the one it was compared with', [
        'candidate',
        'baseline',
      ]),
    ],
    annotations: [
      annotation({
        name: 'Change points',
        expr: `last_over_time(mayfly_change_point{${TREND},${CHOSEN},metric=~"$metric"}${STEP})`,
        colour: 'red',
        title: 'change of {{metric}}',
        text: 'from {{before}} to {{commit}} on {{host}} {{branch}} {{variant}}',
        step: '1m',
      }),
    ],
    rows: [
      {
        title: 'Metrics',
        panels: [
          pointsPanel({
            title: '$metric: one point a commit',
            description: `The median over the valid rounds of the newest complete run of each commit, at the time of that run; at most the newest ${MAX_RUNS}. A point links to its run. Red lines are change points.`,
            unit: 'short',
            repeat: 'metric',
            noValue: 'no complete run in this time range',
            joinBy: 'run_id',
            time: 'Value #start',
            values: UNITS.map(({ ref, grafana }) => ({ field: `Value #${ref}`, unit: grafana })),
            colourBy: 'host',
            kept: ['Value #from', 'Value #to', 'commit', 'branch', 'variant'],
            links: [toRun(false), toCompare(false)],
            queries: [
              { ref: 'start', expr: `1000 * ${points}` },
              ...UNITS.map(({ unit, ref }) => ({ ref, expr: valuesOf(unit) })),
              { ref: 'from', expr: pointsRange.from },
              { ref: 'to', expr: pointsRange.to },
            ],
          }),
          seriesPanel({
            title: '$metric: median over time',
            description: `The median over all valid rounds of all runs between a point and the next, by host and, of a release line, by branch: a few hundred points at most, however many runs there were.`,
            unit: 'short',
            repeat: 'metric',
            min: null,
            minStep: '1m',
            maxDataPoints: LINE_POINTS,
            noValue: 'no run in this time range',
            units: LEGEND_UNITS,
            queries: [
              {
                expr: `quantile by (host, branch, variant, metric, unit) (0.5, quantile_over_time(0.5, mayfly_sample{${TREND},${SAMPLES}}${STEP}))`,
                legend: '{{metric}} in {{unit}}, {{host}} {{branch}} {{variant}}',
              },
            ],
          }),
        ],
      },
      {
        title: 'Change points',
        panels: [
          tablePanel({
            title: 'Change points',
            description:
              'Where a metric of the benchmark changed for good, by the statistics over the stored runs. After / before is the ratio of the levels: 1.05 is 5 % slower for a metric where less is better.',
            width: 24,
            height: 8,
            joinBy: 'point',
            noValue: 'no change point in this time range',
            queries: [
              {
                ref: 'ratio',
                expr: `label_join(topk(${MAX_RUNS}, last_over_time(mayfly_change_point{${TREND},${CHOSEN}}${RANGE})), "point", " ", "metric", "commit", "host", "branch", "variant")`,
              },
            ],
            columns: [
              { field: 'metric', title: 'Metric' },
              { field: 'commit', title: 'First commit after it' },
              { field: 'before', title: 'Last commit before it' },
              { field: 'host', title: 'Host' },
              { field: 'branch', title: 'Branch, if not the default one' },
              { field: 'variant', title: 'Variant' },
              { field: 'Value #ratio', title: 'After / before', unit: 'none' },
            ],
          }),
        ],
      },
    ],
  });
}
