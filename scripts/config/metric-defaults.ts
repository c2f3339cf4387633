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

/** The parts of a delivery, in the order in which an event passes them. */
const HOPS = [
  ['client', 'until the producer has the request'],
  ['producer', 'in the producer, until it gives the event to its sink'],
  ['ingress', 'until the broker has taken it'],
  ['broker', 'in the broker, until the first attempt'],
  ['trigger', 'from the first attempt until the consumer begins'],
  ['consumer', 'in the consumer'],
] as const;

/** Of every benchmark. */
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

const event = (name: string, unit: Unit, better: Better, margin: number, description: string) =>
  builtin(name, unit, better, margin, false, description);

/** Of events in the window, where a benchmark names a broker (docs/events.md). */
export const EVENT_METRICS: readonly BuiltinMetric[] = [
  ...(
    [
      ['avg', 'mean', ONE_PERCENT],
      ['med', 'median', ONE_PERCENT],
      ['p90', '90th percentile', THREE_PERCENT],
      ['p95', '95th percentile', THREE_PERCENT],
      ['p99', '99th percentile', THREE_PERCENT],
      ['max', 'greatest', THREE_PERCENT],
    ] as const
  ).map(([statistic, words, margin]) =>
    event(
      `delivery_${statistic}`,
      's',
      'lower',
      margin,
      `${words} of the time from the scheduled start at the client to the end of the consumer`,
    ),
  ),
  ...HOPS.flatMap(([hop, what]) => [
    event(`hop_${hop}_avg`, 's', 'lower', ONE_PERCENT, `mean of the part of that time ${what}`),
    event(`hop_${hop}_p95`, 's', 'lower', THREE_PERCENT, `95th percentile of the part of that time ${what}`),
  ]),
  event('events_sent', 'count', 'higher', ONE_PERCENT, 'events that the broker took'),
  event('events_delivered', 'count', 'higher', ONE_PERCENT, 'deliveries that a consumer has done'),
  event(
    'events_duplicated',
    'count',
    'lower',
    ONE_PERCENT,
    'deliveries that a consumer has done once more than needed',
  ),
  event(
    'events_lost',
    'count',
    'lower',
    ONE_PERCENT,
    'deliveries neither done nor dead-lettered though the backlog was gone',
  ),
  event(
    'events_out_of_order',
    'count',
    'lower',
    ONE_PERCENT,
    'deliveries after one of a later event of the same source (RFC 4737)',
  ),
  event('events_dead_lettered', 'count', 'lower', ONE_PERCENT, 'deliveries given up after all their attempts'),
  event('events_refused', 'count', 'lower', ONE_PERCENT, 'events that lack a required attribute'),
  event('events_unrouted', 'count', 'lower', ONE_PERCENT, 'events that no trigger wants'),
  event('backlog_peak', 'count', 'lower', THREE_PERCENT, 'most deliveries that were waiting or under way at once'),
  event(
    'drain_time',
    's',
    'lower',
    THREE_PERCENT,
    'time from the end of the load to the last delivery; 0 where it was before',
  ),
];

/** Where a benchmark names disturbances (docs/deployments.md). */
export const DISTURBANCE_METRICS: readonly BuiltinMetric[] = [
  builtin(
    'disturbed_failures',
    'count',
    'lower',
    ONE_PERCENT,
    true,
    'requests that failed and were under way from the begin of a disturbance until the service had recovered',
  ),
  builtin(
    'recovery_time',
    's',
    'lower',
    THREE_PERCENT,
    true,
    'time from the begin of a disturbance until latency and failures were as before, of the longest; what was left of the window where that did not come',
  ),
  builtin(
    'disturbed_p99',
    's',
    'lower',
    THREE_PERCENT,
    true,
    '99th percentile of the latency of requests in disturbances',
  ),
  builtin('steady_p99', 's', 'lower', THREE_PERCENT, true, '99th percentile of the latency of all other requests'),
];

/** What there is of the iterations of a scenario, and of those of a closed model without scenarios. */
const OF_ITERATIONS = [
  ['avg', 'mean', ONE_PERCENT],
  ['min', 'least', ONE_PERCENT],
  ['med', 'median', ONE_PERCENT],
  ['max', 'greatest', THREE_PERCENT],
  ['p90', '90th percentile', THREE_PERCENT],
  ['p95', '95th percentile', THREE_PERCENT],
] as const;

/** The statistics of it that are times. */
export const ITERATION_TIMES = OF_ITERATIONS.map(([statistic]) => statistic);

/** The prefix of a closed model without scenarios. */
export const ITERATION = 'iteration';

const ofIterations = (prefix: string, of: string): BuiltinMetric[] => [
  ...OF_ITERATIONS.map(([statistic, words, margin]) =>
    builtin(
      `${prefix}_${statistic}`,
      's',
      'lower',
      margin,
      true,
      `${words} of the time that an iteration${of} takes, from when it is due, of users from its start, to its end; of those in which nothing failed`,
    ),
  ),
  builtin(
    `${prefix}_done`,
    'count',
    'higher',
    ONE_PERCENT,
    true,
    `iterations${of} that ended in the round, and in which nothing failed`,
  ),
  builtin(
    `${prefix}_failed`,
    'count',
    'lower',
    ONE_PERCENT,
    true,
    `iterations${of} that were begun, and are not among them`,
  ),
];

/** Of a benchmark whose load has `users` (docs/loadgen.md). */
export const CLOSED_METRICS: readonly BuiltinMetric[] = ofIterations(ITERATION, '');

/** Of each scenario. */
export const scenarioMetrics = (names: readonly string[]): readonly BuiltinMetric[] =>
  names.flatMap((name) => ofIterations(name, ` of ${name}`));

/** Counts from the schedule, which a closed model has not. */
export const needsSchedule = (name: string): boolean => /^(response|start_lag)_/.test(name);

/** The margin of a metric for which neither a benchmark nor a calibration names one. */
export function defaultMargin(metric: Pick<Metric, 'name'> & Ways): number {
  if (isOwn(metric)) return ONE_PERCENT;
  const known = builtinMetric(metric.name);
  if (known) return known.margin;
  const end = metric.name.split('_').at(-1); // of a scenario
  return OF_ITERATIONS.find(([statistic]) => statistic === end)?.[2] ?? ONE_PERCENT;
}

export const builtinMetric = (name: string): BuiltinMetric | undefined =>
  [...BUILTIN_METRICS, ...EVENT_METRICS, ...DISTURBANCE_METRICS, ...CLOSED_METRICS].find(
    (metric) => metric.name === name,
  );

/** The built-in metrics of a benchmark. */
export const builtinMetrics = ({
  broker,
  disturbances,
  load,
}: Pick<BenchmarkSpec, 'broker' | 'disturbances' | 'load'>): readonly BuiltinMetric[] => [
  ...BUILTIN_METRICS,
  ...(broker ? EVENT_METRICS : []),
  ...(disturbances.length > 0 ? DISTURBANCE_METRICS : []),
  ...(load.users === undefined ? [] : CLOSED_METRICS),
  ...scenarioMetrics(Object.keys(load.scenarios ?? {})),
];

/** The ways in which a metric of the benchmark's own is read: it has exactly one of these fields. */
export const WAYS = ['promql', 'telemetry', 'cpu', 'trace'] as const;
type Ways = Pick<Metric, (typeof WAYS)[number]>;

/** Whether it is of the benchmark's own: such a metric may be without a value. */
export const isOwn = (metric: Ways): boolean => WAYS.some((way) => metric[way] !== undefined);

/** How a metric of the benchmark's own is read, in words: its query, its label, its service or its hop. */
export function sourceOf({ promql, telemetry, cpu, trace }: Ways): string {
  if (promql !== undefined) return promql;
  if (telemetry) return `${telemetry.value} of ${telemetry.prefix} "${telemetry.label}" of ${telemetry.service}`;
  if (cpu) return `CPU time of ${cpu.service} per request`;
  return trace ? `${trace.value} of ${trace.hop} in the traces` : '';
}

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

/** The unit of a metric of the benchmark's own, where the way in which it is read says it; else null. */
export function unitOf({ telemetry, cpu, trace }: Omit<Ways, 'promql'>): Unit | null {
  if (telemetry) return telemetryUnit(telemetry);
  if (cpu) return 's';
  return trace ? (trace.value === 'share' ? 'ratio' : 's') : null;
}

/**
 * All built-in metrics with what the benchmark says about them, then the benchmark's own. The file has been checked.
 */
export function allMetrics(spec: BenchmarkSpec): Metric[] {
  const said = new Map(spec.metrics.map((metric) => [metric.name, metric]));
  const own = spec.metrics.filter(isOwn);
  return [
    ...builtinMetrics(spec).map(({ name, unit, better, margin }) => {
      const laid = said.get(name);
      return { name, unit, better, primary: laid?.primary ?? false, ...marginOf(laid?.margin, margin) };
    }),
    ...own.map(({ name, unit, better, primary, margin, promql, telemetry, cpu, trace }) => ({
      name,
      unit: unit ?? unitOf({ telemetry, cpu, trace })!,
      better: better ?? ('lower' as const),
      primary,
      ...marginOf(margin, ONE_PERCENT),
      ...(promql === undefined ? {} : { promql }),
      ...(telemetry === undefined ? {} : { telemetry: inOrder(telemetry) }),
      ...(cpu === undefined ? {} : { cpu: { service: cpu.service } }),
      ...(trace === undefined ? {} : { trace: { hop: trace.hop, value: trace.value } }),
    })),
  ];
}

const marginOf = (said: number | string | undefined, otherwise: number): Pick<Metric, 'margin' | 'margin_from'> =>
  said === undefined
    ? { margin: otherwise, margin_from: 'default' }
    : { margin: parseShare(said), margin_from: 'benchmark' };
