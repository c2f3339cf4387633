/** The metrics that Mayfly measures itself, and how a benchmark's own are laid beside them. */
import { labelUnit } from '../core/label-unit.ts';
import type { Better, Metric, Unit } from '../documents/run.ts';
import type { BenchmarkSpec } from './benchmark.types.ts';
import { parseShare } from './quantities.ts';

export interface BuiltinMetric {
  name: string;
  unit: Unit;
  better: Better;
  /** Smallest relative change worth calling a change, where the benchmark names none. */
  margin: number;
  /** Only the load generator of Mayfly measures it; another one gives no value. */
  ownOnly: boolean;
  description: string;
}

const ONE_PERCENT = 0.01;
const THREE_PERCENT = 0.03;

const builtin = (
  name: string,
  unit: Unit,
  better: Better,
  margin: number,
  ownOnly: boolean,
  description: string,
): BuiltinMetric => ({
  name,
  unit,
  better,
  margin,
  ownOnly,
  description,
});

const latency = (statistic: string, words: string, margin: number) =>
  builtin(
    `latency_${statistic}`,
    's',
    'lower',
    margin,
    true,
    `${words} of the time from sending a request to the end of the answer, of requests that did not fail`,
  );
const response = (statistic: string, words: string, margin: number) =>
  builtin(
    `response_${statistic}`,
    's',
    'lower',
    margin,
    true,
    `${words} of the time from the scheduled start to the end of the answer, so that a stall shows; of iterations in which nothing failed`,
  );

export const BUILTIN_METRICS: readonly BuiltinMetric[] = [
  latency('avg', 'mean', ONE_PERCENT),
  latency('min', 'least', ONE_PERCENT),
  latency('med', 'median', ONE_PERCENT),
  latency('max', 'greatest', THREE_PERCENT),
  latency('p90', '90th percentile', THREE_PERCENT),
  latency('p95', '95th percentile', THREE_PERCENT),
  latency('p99', '99th percentile', THREE_PERCENT),
  response('avg', 'mean', ONE_PERCENT),
  response('med', 'median', ONE_PERCENT),
  response('max', 'greatest', THREE_PERCENT),
  response('p90', '90th percentile', THREE_PERCENT),
  response('p95', '95th percentile', THREE_PERCENT),
  response('p99', '99th percentile', THREE_PERCENT),
  builtin('start_lag_p99', 's', 'lower', THREE_PERCENT, true, '99th percentile of how late an iteration starts'),
  builtin('request_rate', '1/s', 'higher', ONE_PERCENT, false, 'requests sent per second of the window'),
  builtin('failed_requests', 'ratio', 'lower', ONE_PERCENT, false, 'share of requests that failed'),
  builtin(
    'cpu_seconds_per_request',
    's',
    'lower',
    ONE_PERCENT,
    false,
    'CPU time of all services over the window, per request',
  ),
  builtin(
    'memory_peak',
    'bytes',
    'lower',
    ONE_PERCENT,
    false,
    'greatest working set of all services together in the window',
  ),
];

/** Counts from the schedule, which a closed model has not. */
export const needsSchedule = (name: string): boolean => /^(response|start_lag)_/.test(name);

/** The margin of a metric for which neither a benchmark nor a calibration names one. */
export const defaultMargin = (name: string): number => builtinMetric(name)?.margin ?? ONE_PERCENT;

export const builtinMetric = (name: string): BuiltinMetric | undefined =>
  BUILTIN_METRICS.find((metric) => metric.name === name);

/** Whether it is of the benchmark's own: such a metric may be without a value. */
export const isOwn = ({ promql, telemetry }: Pick<Metric, 'promql' | 'telemetry'>): boolean =>
  promql !== undefined || telemetry !== undefined;

/** How a metric of the benchmark's own is read, in words: its query, or its label. */
export const sourceOf = ({ promql, telemetry }: Pick<Metric, 'promql' | 'telemetry'>): string =>
  promql ?? (telemetry ? `${telemetry.value} of ${telemetry.prefix} "${telemetry.label}" of ${telemetry.service}` : '');

/** Its fields in one order, whatever that of the file: runs are compared by them. */
const inOrder = ({ service, prefix, label, value }: NonNullable<Metric['telemetry']>) => ({
  service,
  prefix,
  label,
  value,
});

/** The unit of a value of telemetry; null where neither the prefix nor the label says it. */
export function telemetryUnit({ prefix, label, value }: NonNullable<Metric['telemetry']>): Unit | null {
  if (value === 'rate') return '1/s';
  if (value === 'count') return 'count';
  return labelUnit(prefix, label) || null;
}

/**
 * All built-in metrics with what the benchmark says about them, then the benchmark's own. The file has been checked.
 */
export function allMetrics(spec: BenchmarkSpec): Metric[] {
  const said = new Map(spec.metrics.map((metric) => [metric.name, metric]));
  const own = spec.metrics.filter(isOwn);
  return [
    ...BUILTIN_METRICS.map(({ name, unit, better, margin }) => {
      const laid = said.get(name);
      return { name, unit, better, primary: laid?.primary ?? false, ...marginOf(laid?.margin, margin) };
    }),
    ...own.map(({ name, unit, better, primary, margin, promql, telemetry }) => ({
      name,
      unit: unit ?? telemetryUnit(telemetry!)!,
      better: better ?? ('lower' as const),
      primary,
      ...marginOf(margin, defaultMargin(name)),
      ...(promql === undefined ? {} : { promql }),
      ...(telemetry === undefined ? {} : { telemetry: inOrder(telemetry) }),
    })),
  ];
}

const marginOf = (said: number | string | undefined, otherwise: number): Pick<Metric, 'margin' | 'margin_from'> =>
  said === undefined
    ? { margin: otherwise, margin_from: 'default' }
    : { margin: parseShare(said), margin_from: 'benchmark' };
