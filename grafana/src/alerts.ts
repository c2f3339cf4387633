/**
 * What a team wants to be told of its benchmarks, once as rules of Grafana and once as rules of Prometheus (for Thanos
 * Rule): the same expressions over the trend stream. A state of the archive itself is not visible here; that is what
 * `npm run archive:status` is for.
 */
import { DATASOURCE } from './panels.ts';
import { medians, starts } from './queries.ts';

interface Alert {
  /** In CamelCase, for Prometheus. */
  name: string;
  title: string;
  expr: string;
  /** Fires above it. */
  above: number;
  /** Prometheus' template of the value, as a share or as days. */
  value?: 'share' | 'days';
  summary: string;
  /** `VALUE` stands for the value. */
  description: string;
}

/** How far back a benchmark's runs are looked for: one that has not run since is forgotten. */
const MEMORY = '[90d]';
/** Runs that the newest is compared with, itself among them, and how many there must be. */
const COMPARED = 20;
const LEAST = 5;
/**
 * Slower than the median of them by more than this. Runs of different times differ by what the host does: this screens,
 * it does not judge.
 */
const SLOWER = 0.1;
const SILENT_DAYS = 7;

const RUNS = starts('status="complete"', MEMORY);
const newest = (count: number): string => `topk by (benchmark, host, branch, variant) (${count}, ${RUNS})`;
const VALUES = medians('side="candidate",metric=~"latency_med|latency_p95|cpu_seconds_per_request"', MEMORY);
const newestIs = (selector: string): string =>
  `max by (benchmark, host) (${starts(selector, MEMORY)}) >= bool on (benchmark, host) max by (benchmark, host) (${starts('status!=""', MEMORY)})`;

export const ALERTS: readonly Alert[] = [
  {
    name: 'MayflyRunInvalid',
    title: 'The newest run is INVALID',
    expr: newestIs('status="invalid"'),
    above: 0,
    summary: 'The newest run of {{ .Labels.benchmark }} on host {{ .Labels.host }} is INVALID',
    description: 'It measured nothing that counts. `npm run show` gives the reasons of its rounds.',
  },
  {
    name: 'MayflyRegression',
    title: 'The newest run is a REGRESSION',
    expr: newestIs('verdict="REGRESSION"'),
    above: 0,
    summary: 'The newest run of {{ .Labels.benchmark }} on host {{ .Labels.host }} has the verdict REGRESSION',
    description: 'The dashboard Run shows where the time went.',
  },
  {
    name: 'MayflyNoRun',
    title: 'No run for days',
    expr: `(time() - max by (benchmark, host) (${RUNS})) / 86400`,
    above: SILENT_DAYS,
    value: 'days',
    summary: 'No complete run of {{ .Labels.benchmark }} on host {{ .Labels.host }}',
    description: `The last one began VALUE days ago; more than ${SILENT_DAYS} are too many.`,
  },
  {
    name: 'MayflySlower',
    title: 'A metric is well above its median',
    expr: `max by (benchmark, host, branch, variant, metric) (${VALUES} and on (run_id) ${newest(1)}) / quantile by (benchmark, host, branch, variant, metric) (0.5, ${VALUES} and on (run_id) ${newest(COMPARED)}) - 1 and on (benchmark, host, branch, variant) count by (benchmark, host, branch, variant) (${newest(COMPARED)}) >= ${LEAST}`,
    above: SLOWER,
    value: 'share',
    summary:
      '{{ .Labels.metric }} of {{ .Labels.benchmark }}{{ if .Labels.branch }} ({{ .Labels.branch }}){{ end }}{{ if .Labels.variant }} ({{ .Labels.variant }}){{ end }} on host {{ .Labels.host }} is above the median of its last runs',
    description: `By VALUE, against the median of at most ${COMPARED} runs. Runs of different times differ by what the host does: a comparison with \`npm run bench -- --against=…\` decides.`,
  },
];

const GROUP = { name: 'mayfly', interval: '5m' };

/** As Prometheus and Thanos Rule read it; the query API must be that of an archive. */
export function prometheusRules(): object {
  const value = { share: '{{ .Value | humanizePercentage }}', days: '{{ .Value | printf "%.1f" }}' };
  return {
    groups: [
      {
        ...GROUP,
        rules: ALERTS.map((alert) => ({
          alert: alert.name,
          expr: `(${alert.expr}) > ${alert.above}`,
          labels: { severity: 'warning' },
          annotations: { summary: alert.summary, description: describe(alert, value) },
        })),
      },
    ],
  };
}

/** As Grafana's provisioning reads it. It expands `$NAME` in the file, so that there must be no dollar sign. */
export function grafanaAlerts(): object {
  const value = { share: '{{ humanizePercentage .Values.A.Value }}', days: '{{ printf "%.1f" .Values.A.Value }}' };
  return {
    apiVersion: 1,
    groups: [
      {
        orgId: 1,
        ...GROUP,
        folder: 'Mayfly',
        rules: ALERTS.map((alert) => ({
          uid: alert.name.replace(/(?<=.)[A-Z]/g, (letter) => `-${letter}`).toLowerCase(),
          title: alert.title,
          condition: 'B',
          data: [
            {
              refId: 'A',
              datasourceUid: DATASOURCE.uid,
              relativeTimeRange: { from: 600, to: 0 },
              model: {
                refId: 'A',
                expr: alert.expr,
                instant: true,
                range: false,
                intervalMs: 1000,
                maxDataPoints: 100,
              },
            },
            {
              refId: 'B',
              datasourceUid: '__expr__',
              relativeTimeRange: { from: 0, to: 0 },
              model: {
                refId: 'B',
                type: 'threshold',
                expression: 'A',
                conditions: [{ evaluator: { type: 'gt', params: [alert.above] } }],
              },
            },
          ],
          for: '0s',
          // No answer: no run in the archive yet, or none that is INVALID.
          noDataState: 'OK',
          execErrState: 'Error',
          labels: { severity: 'warning' },
          annotations: { summary: alert.summary, description: describe(alert, value) },
          isPaused: false,
        })),
      },
    ],
  };
}

const describe = ({ description, value }: Alert, templates: { share: string; days: string }): string =>
  value ? description.replace('VALUE', templates[value]) : description;
