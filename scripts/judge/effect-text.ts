/** An effect in words that a person understands. Pure. */
import type { Better, Unit } from '../documents/run.ts';
import type { MetricVerdict } from '../documents/verdict.ts';

/** Metrics as people call them; the benchmark's own keep their names. In the order in which they are shown. */
export const TITLES: Record<string, string> = {
  latency_avg: 'latency avg',
  latency_min: 'latency min',
  latency_med: 'latency med',
  latency_max: 'latency max',
  latency_p90: 'latency p90',
  latency_p95: 'latency p95',
  latency_p99: 'latency p99',
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

/** What a metric must not show: `slowdown`, `increase`, or `decrease` where more is better. */
export function harm(name: string, unit: Unit, better: Better): string {
  if (better === 'higher') return 'decrease';
  return adjectives(name, unit)[0] === 'slower' ? 'slowdown' : 'increase';
}

type Effect = Pick<
  MetricVerdict,
  'name' | 'unit' | 'better' | 'verdict' | 'change' | 'interval' | 'worse' | 'dispersion'
>;

/**
 * One metric's effect: `8.1 % slower, 95 % interval 6.2 to 9.9 %`; `no slowdown above 2.1 %`; `between 0.3 % faster and
 * 2.4 % slower`.
 */
export function effectWords(metric: Effect): string {
  const { name, unit, better, verdict, change, interval, worse } = metric;
  if (change === null) return 'no values to compare';
  if (verdict === 'PASS' && worse.at_most !== null)
    return `no ${harm(name, unit, better)} above ${percentOf(Math.max(0, worse.at_most))} %`;
  if (!interval) return directed(change, name, unit);
  const { level, low, high } = interval;
  if (low <= 0 && high >= 0) return `between ${directed(low, name, unit)} and ${directed(high, name, unit)}`;
  const [near, far] = change > 0 ? [low, high] : [high, low];
  return `${directed(change, name, unit)}, ${Math.round(level * 100)} % interval ${percentOf(near)} to ${percentOf(far)} %`;
}

function directed(change: number, name: string, unit: Unit): string {
  const [more, less] = adjectives(name, unit);
  return `${percentOf(change)} % ${change < 0 ? less : more}`;
}
