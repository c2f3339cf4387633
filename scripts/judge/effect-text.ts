/** An effect in words that a person understands. Pure. */
import { plural } from '../core/text.ts';
import type { Better, Unit } from '../documents/run.ts';
import type { MetricVerdict } from '../documents/verdict.ts';
import { formatValue } from '../report/units.ts';

/** Metrics as people call them; the benchmark's own keep their names. In the order in which they are shown. */
export const TITLES: Record<string, string> = {
  latency_avg: 'latency avg',
  latency_min: 'latency min',
  latency_med: 'latency med',
  latency_max: 'latency max',
  latency_p90: 'latency p90',
  latency_p95: 'latency p95',
  latency_p99: 'latency p99',
  delivery_avg: 'delivery avg',
  delivery_med: 'delivery med',
  delivery_p95: 'delivery p95',
  delivery_p99: 'delivery p99',
  response_p95: 'p95 from the scheduled start',
  response_p99: 'p99 from the scheduled start',
  request_rate: 'requests',
  capacity: 'capacity',
  cpu_seconds_per_request: 'CPU per request',
  memory_peak: 'peak memory',
  failed_requests: 'errors',
};

export const titleOf = (metric: string): string => TITLES[metric] ?? metric;

/** A share without its sign as a percentage that keeps two figures: 0.0812 is 8.1, 0.0073 is 0.73. */
export function percentOf(share: number): string {
  const percent = Math.abs(share) * 100;
  return percent >= 99.5 ? percent.toFixed(0) : percent >= 0.995 ? percent.toFixed(1) : percent.toFixed(2);
}

/** Adjectives for a greater and for a smaller value. */
function adjectives(name: string, unit: Unit): [more: string, less: string] {
  const isTime = unit === 's' && !name.startsWith('cpu_');
  return isTime ? ['slower', 'faster'] : ['more', 'less'];
}

/** Whether a change of this ratio is for the worse; where neither direction is better, every change is looked for. */
export const isWorse = (ratio: number, better: Better): boolean =>
  better === 'neither' ? ratio !== 1 : ratio > 1 === (better === 'lower');

/** What a change is called that is found or confirmed: `regression`, `improvement`, or `change` where neither is better. */
export const kindOf = (ratio: number, better: Better): string =>
  better === 'neither' ? 'change' : isWorse(ratio, better) ? 'regression' : 'improvement';

/** What a metric must not show: `slowdown`, `increase`, `decrease` where more is better, `change` where neither is. */
export function harm(name: string, unit: Unit, better: Better): string {
  if (better === 'neither') return 'change';
  if (better === 'higher') return 'decrease';
  return adjectives(name, unit)[0] === 'slower' ? 'slowdown' : 'increase';
}

/** Several of them in one word. */
export const harmsText = (harms: readonly string[]): string =>
  harms.length === 1 ? harms[0]! : harms.includes('change') ? 'slowdown, increase or change' : 'slowdown or increase';

type Effect = Pick<
  MetricVerdict,
  | 'name'
  | 'unit'
  | 'better'
  | 'verdict'
  | 'candidate'
  | 'baseline'
  | 'change'
  | 'difference'
  | 'incomparable'
  | 'interval'
  | 'worse'
  | 'observations'
>;

/**
 * One metric's effect: `8.1 % slower, 95 % interval 6.2 to 9.9 %`; `no slowdown above 2.1 %`; `between 0.3 % faster and
 * 2.4 % slower`; `was 0, is 3, more in 10 of 10 observations`.
 */
export function effectWords(metric: Effect): string {
  const { name, unit, better, verdict, candidate, baseline, change, difference, incomparable, interval, worse } =
    metric;
  if (incomparable !== undefined) return `not comparable: ${incomparable}`;
  if (difference)
    return `was ${formatValue(baseline!, unit)}, is ${formatValue(candidate!, unit)}, ${differenceWords(metric)}`;
  if (change === null) return 'no values to compare';
  if (verdict === 'PASS' && worse.at_most !== null)
    return `no ${harm(name, unit, better)} above ${percentOf(Math.max(0, worse.at_most))} %`;
  if (!interval) return directed(change, name, unit);
  const { level, low, high } = interval;
  if (low <= 0 && high >= 0) return `between ${directed(low, name, unit)} and ${directed(high, name, unit)}`;
  const [near, far] = change > 0 ? [low, high] : [high, low];
  return `${directed(change, name, unit)}, ${Math.round(level * 100)} % interval ${percentOf(near)} to ${percentOf(far)} %`;
}

/**
 * In how many observations the candidate has more, and less: `more in 8 and less in 1 of 10 observations`; of two runs
 * `more in 90 of 100 pairs of observations`, one of each run.
 */
export function differenceWords({
  difference,
  observations,
}: Pick<MetricVerdict, 'difference' | 'observations'>): string {
  const { more, less, pairs } = difference!;
  const of =
    pairs === undefined ? `of ${plural(observations, 'observation')}` : `of ${plural(pairs, 'pair')} of observations`;
  if (more === 0 && less === 0) return `the same in ${pairs ?? observations} ${of}`;
  return `${[more > 0 ? `more in ${more}` : '', less > 0 ? `less in ${less}` : ''].filter(Boolean).join(' and ')} ${of}`;
}

function directed(change: number, name: string, unit: Unit): string {
  const [more, less] = adjectives(name, unit);
  return `${percentOf(change)} % ${change < 0 ? less : more}`;
}
