/** Dashboard *Run*: one run from its raw metrics, over the time it took. */
import {
  inFlight,
  iterations,
  maxInFlight,
  requestDuration,
  requests,
  responseTime,
  startLag,
} from '../../scripts/measure/collect/load-metrics.ts';
import { toCompare, toRun, UIDS } from './links.ts';
import {
  annotation,
  type Dashboard,
  dashboard,
  heatmapPanel,
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
  heapUsed,
  linkRange,
  medians,
  percentile,
  RAW,
  RUN_REGEX,
  rateOf,
  runOptions,
  starts,
  TREND,
} from './queries.ts';
import { metricTables } from './tables.ts';

const RUN = 'run_id="$run"';
/** Its raw metrics. */
const METRICS = `${RAW},${RUN}`;
const SERVICES = `${METRICS},job="services"`;
const PERCENTILES = [0.5, 0.9, 0.95, 0.99];
const NOT_OURS =
  "no metrics of Mayfly's generator: the benchmark has another load generator, or the time range is not the run's";
const NO_TELEMETRY = 'no telemetry';

/** The benchmark of a dashboard that shows single runs, whenever they were. */
export const benchmarkVariable = () =>
  variable({
    name: 'benchmark',
    label: 'Benchmark',
    description: 'Benchmark of the runs to choose from',
    query: `query_result(group by (benchmark) (${starts('benchmark!=""', EVER)}))`,
    regex: '/benchmark="([^"]+)"/',
  });

/** Two queries of a container's counter: of the services by side, and of the run stack's own containers. */
const byContainer = (make: (selector: string, labels: string) => string): SeriesSpec['queries'] => [
  { expr: make(`${METRICS},job="containers",side!=""`, 'side, service'), legend: '{{service}} ({{side}})' },
  { expr: make(`${METRICS},job="containers",side=""`, 'service'), legend: '{{service}} (run stack)' },
];
const rateByContainer = (counter: string) =>
  byContainer((selector, labels) => rateOf(`${counter}{${selector}}`, labels));

export function runDashboard(): Dashboard {
  const range = linkRange(starts(RUN, EVER), durations(RUN, EVER));
  return dashboard({
    uid: UIDS.run,
    title: 'Run',
    description:
      'One run from its raw metrics: latency, load, containers and the runtime of the services, with the rounds as regions. Open it by a link, which sets the time range to the run; after choosing another run, the link in the table at the top does.',
    from: 'now-1h',
    variables: [
      benchmarkVariable(),
      variable({
        name: 'run',
        label: 'Run',
        description: 'The run: id, commit and verdict; the newest first',
        query: runOptions,
        regex: RUN_REGEX,
        inOrder: true,
      }),
      variable({
        name: 'side',
        label: 'Side',
        description: 'Sides of the run',
        query: `query_result(group by (side) (last_over_time(mayfly_rounds{${TREND},${RUN}}${EVER})))`,
        regex: '/side="([^"]+)"/',
        multi: true,
      }),
    ],
    annotations: [
      annotation({
        name: 'Rounds',
        expr: `count by (round) (container_cpu_usage_seconds_total{${METRICS},side!=""}) > 0`,
        colour: 'rgba(128, 128, 128, 0.5)',
        title: 'round {{round}}',
        text: 'the containers of its sides are up',
        step: '1s',
      }),
      annotation({
        name: 'Windows',
        expr: `sum by (round) (rate(${iterations(`${METRICS},scenario="measure"`)}[3s])) > 0`,
        colour: 'blue',
        title: 'window of round {{round}}',
        text: 'what is measured',
        step: '1s',
      }),
    ],
    rows: [
      {
        title: 'The run',
        panels: [
          tablePanel({
            title: 'The run',
            description: 'What was run, when, and how it ended. The link sets the time range of this page to the run.',
            width: 24,
            height: 4,
            joinBy: 'run_id',
            noValue: 'no such run in the trend stream',
            queries: [
              { ref: 'start', expr: `1000 * ${starts(RUN, EVER)}` },
              { ref: 'from', expr: range.from },
              { ref: 'to', expr: range.to },
              { ref: 'duration', expr: `sum by (run_id) (${durations(RUN, EVER)})` },
            ],
            columns: [
              { field: 'Value #start', title: 'Start', unit: 'dateTimeAsIso' },
              { field: 'run_id', title: 'Run: set the time range to it', links: [toRun(false), toCompare(false)] },
              { field: 'Value #duration', title: 'Duration', unit: 's' },
              { field: 'commit', title: 'Commit' },
              { field: 'ref', title: 'Ref' },
              { field: 'against', title: 'Against' },
              { field: 'pairing', title: 'Pairing' },
              { field: 'status', title: 'Status' },
              { field: 'verdict', title: 'Verdict' },
              { field: 'host', title: 'Host' },
              { field: 'Value #from', title: 'from', hidden: true },
              { field: 'Value #to', title: 'to', hidden: true },
            ],
          }),
          ...metricTables(
            'The median over the valid rounds, exact where the raw metrics are histograms. Change is that of the two medians; `npm run compare` judges the change within each round instead.',
            [CANDIDATE, BASELINE],
            { title: 'Change from baseline', of: CANDIDATE, to: BASELINE },
          ),
        ],
      },
      {
        title: 'Latency',
        panels: [
          heatmapPanel({
            title: 'Latency, $side',
            description:
              'Requests per second by latency, from sending the request to the end of the answer: a native histogram, buckets 8 % apart. Warm-up and windows; the regions are the windows.',
            unit: 's',
            repeat: 'side',
            noValue: NOT_OURS,
            queries: [
              {
                expr: `sum by (side) (rate(${requestDuration(`${METRICS},side=~"$side"`)}[$__rate_interval]))`,
                legend: '{{side}}',
              },
            ],
          }),
          seriesPanel({
            title: 'Percentiles of latency by side',
            description: 'p50, p90, p95 and p99 of the last seconds, from the native histogram.',
            unit: 's',
            noValue: NOT_OURS,
            queries: PERCENTILES.map((share) => ({
              expr: percentile(share, requestDuration(METRICS), 'side'),
              legend: `p${share * 100} {{side}}`,
            })),
          }),
          seriesPanel({
            title: 'Percentiles of response time by side',
            description:
              'From the scheduled start to the end of the answer: latency and start lag together, so that a stall cannot hide.',
            unit: 's',
            noValue: NOT_OURS,
            queries: PERCENTILES.map((share) => ({
              expr: percentile(share, responseTime(METRICS), 'side'),
              legend: `p${share * 100} {{side}}`,
            })),
          }),
          seriesPanel({
            title: 'p95 latency by request',
            description: 'p95 of each kind of request, as the load script names it, by side.',
            unit: 's',
            noValue: NOT_OURS,
            queries: [
              { expr: percentile(0.95, requestDuration(METRICS), 'side, name'), legend: '{{name}} ({{side}})' },
            ],
          }),
        ],
      },
      {
        title: 'Load',
        panels: [
          seriesPanel({
            title: 'Request rate by side',
            description: 'Requests sent per second.',
            unit: 'reqps',
            noValue: NOT_OURS,
            queries: [{ expr: rateOf(requests(METRICS), 'side'), legend: '{{side}}' }],
          }),
          seriesPanel({
            title: 'Failed requests by side',
            description: 'Share of the requests without an answer or with a status other than 2xx and 3xx.',
            unit: 'percentunit',
            noValue: NOT_OURS,
            queries: [{ expr: failedShare(METRICS, 'side'), legend: '{{side}}' }],
          }),
          seriesPanel({
            title: 'Start lag by side',
            description:
              "How late the iterations start: p99 and median. Above the benchmark's limit for the p99 a round is INVALID: the load generator, not the service, is what would be measured.",
            unit: 's',
            noValue: NOT_OURS,
            queries: [0.99, 0.5].map((share) => ({
              expr: percentile(share, startLag(METRICS), 'side'),
              legend: `p${share * 100} {{side}}`,
            })),
          }),
          seriesPanel({
            title: 'In flight',
            description:
              'Iterations of a side that are under way, and how many may be. One that is due beyond that is dropped, and the round INVALID. Of an older run: virtual users, of both sides together.',
            unit: 'short',
            steps: true,
            noValue: NOT_OURS,
            queries: [
              { expr: `sum by (side, round) (${maxInFlight(METRICS)})`, legend: 'at most, round {{round}} {{side}}' },
              { expr: `sum by (side, round) (${inFlight(METRICS)})`, legend: 'under way, round {{round}} {{side}}' },
            ],
          }),
        ],
      },
      {
        title: 'Containers',
        panels: [
          seriesPanel({
            title: 'CPU by container',
            description:
              'CPU time used per second: 1 is one core. The services by side, and the containers of the run stack itself.',
            unit: 'suffix: cores',
            queries: rateByContainer('container_cpu_usage_seconds_total'),
          }),
          seriesPanel({
            title: 'Memory by container',
            description: 'Working set: what the kernel cannot give back without swapping.',
            unit: 'bytes',
            queries: byContainer(
              (selector, labels) => `sum by (${labels}) (container_memory_working_set_bytes{${selector}})`,
            ),
          }),
          seriesPanel({
            title: 'Throttling by container',
            description:
              'Seconds per second that a container had work and was kept from the CPU by its limit, over its threads. Anything above 0 makes a round INVALID by default.',
            unit: 'percentunit',
            queries: rateByContainer('container_cpu_cfs_throttled_seconds_total'),
          }),
          seriesPanel({
            title: 'Network received by container',
            description: 'Bytes received per second.',
            unit: 'Bps',
            queries: rateByContainer('container_network_receive_bytes_total'),
          }),
          seriesPanel({
            title: 'Network sent by container',
            description: 'Bytes sent per second.',
            unit: 'Bps',
            queries: rateByContainer('container_network_transmit_bytes_total'),
          }),
          seriesPanel({
            title: 'Disk written by container',
            description: 'Bytes written to block devices per second.',
            unit: 'Bps',
            queries: rateByContainer('container_fs_writes_bytes_total'),
          }),
        ],
      },
      {
        title: 'Services',
        panels: [
          seriesPanel({
            title: 'Garbage collection by service',
            description:
              'Share of the time spent in garbage collection, where the service exposes it: Node.js, Go or the JVM.',
            unit: 'percentunit',
            noValue: NO_TELEMETRY,
            queries: [{ expr: garbageCollection(SERVICES, 'side, service'), legend: '{{service}} ({{side}})' }],
          }),
          seriesPanel({
            title: 'Heap in use by service',
            description: 'Heap in use, where the service exposes it: Node.js, Go or the JVM.',
            unit: 'bytes',
            noValue: NO_TELEMETRY,
            queries: [{ expr: heapUsed(SERVICES, 'side, service'), legend: '{{service}} ({{side}})' }],
          }),
          seriesPanel({
            title: 'Event loop lag by service',
            description:
              'p99 of how late the event loop of a Node.js service runs, over the time since the last scrape.',
            unit: 's',
            noValue: NO_TELEMETRY,
            queries: [
              {
                expr: `max by (side, service) (nodejs_eventloop_lag_p99_seconds{${SERVICES}})`,
                legend: '{{service}} ({{side}})',
              },
            ],
          }),
          seriesPanel({
            title: 'Targets up',
            description: 'Targets of the services that answered their scrape. The load starts when all do.',
            unit: 'short',
            steps: true,
            noValue: NO_TELEMETRY,
            queries: [{ expr: `sum by (side, service) (up{${SERVICES}})`, legend: '{{service}} ({{side}})' }],
          }),
        ],
      },
    ],
  });
}

const ofSide = (side: string, title: string) => ({
  ref: side,
  title,
  expr: (unit: string): string => `sum by (metric) (${medians(`${RUN},side="${side}",unit=~"${unit}"`, EVER)})`,
});
const CANDIDATE = ofSide('candidate', 'Candidate');
const BASELINE = ofSide('baseline', 'Baseline');
