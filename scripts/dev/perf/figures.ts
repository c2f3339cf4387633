/** Figures of a load generator, and what two of them have to do with each other. Pure. */

import { InfrastructureError } from '../../core/errors.ts';
import { median, quantile } from '../../judge/statistics.ts';

/** CPU time of a container so far. */
export interface CpuReading {
  atMs: number;
  cpuSeconds: number;
}

/** What was measured of one generator in one window. Seconds. */
export interface Measured {
  /** Requests of the window that ended, and those that did not or ended badly. */
  requests: number;
  lost: number;
  /** Requests started per second, from the first to the last. */
  rate: number;
  cpuPer1000: number;
  p50: number;
  p99: number;
}

/** One request: when it was sent, seconds since the epoch, and what it took. */
export interface Sent {
  atS: number;
  latencyS: number;
}

/** CPU seconds between two moments, linear between the readings around them. */
export function cpuBetween(readings: readonly CpuReading[], fromMs: number, toMs: number): number {
  const at = (ms: number) => {
    const next = readings.findIndex(({ atMs }) => atMs >= ms);
    if (next <= 0)
      throw new InfrastructureError('the CPU time at an edge of the window was not read', {
        hint: 'Is the host overloaded? Try again.',
      });
    const [before, after] = [readings[next - 1]!, readings[next]!];
    return (
      before.cpuSeconds + (after.cpuSeconds - before.cpuSeconds) * ((ms - before.atMs) / (after.atMs - before.atMs))
    );
  };
  return at(toMs) - at(fromMs);
}

/** Requests started per second, from the first to the last of them. The times ascend only nearly. */
export function startRate(times: readonly number[]): number {
  let [first, last] = [Infinity, -Infinity];
  for (const time of times) [first, last] = [Math.min(first, time), Math.max(last, time)];
  return (times.length - 1) / (last - first);
}

/** What happened between two moments, seconds since the epoch. */
export function measuredOf(
  sent: readonly Sent[],
  { fromS, toS, failed, cpuSeconds }: { fromS: number; toS: number; failed: number; cpuSeconds: number },
): Measured {
  const inside = sent.filter(({ atS }) => atS >= fromS && atS < toS);
  const latencies = inside.map(({ latencyS }) => latencyS).sort((a, b) => a - b);
  return {
    requests: inside.length,
    lost: failed,
    rate: startRate(inside.map(({ atS }) => atS)),
    cpuPer1000: (cpuSeconds / inside.length) * 1000,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
  };
}

/**
 * vegeta's results as `vegeta encode --to=csv` writes them: nanoseconds since the epoch, status, nanoseconds of
 * latency, and more.
 */
export function readVegeta(csv: string): { sent: Sent[]; failed: number } {
  const sent: Sent[] = [];
  let failed = 0;
  for (const line of csv.split('\n')) {
    if (line === '') continue;
    const [at, status, latency] = line.split(',', 3) as [string, string, string];
    sent.push({ atS: Number(at) / 1e9, latencyS: Number(latency) / 1e9 });
    if (status !== '200') failed++;
  }
  return { sent, failed };
}

/** Median over pairs of the ratio within a pair: what disturbs both of a pair is not in it. */
export function pairedRatio<T>(pairs: readonly { ours: T; other: T }[], of: (one: T) => number): number {
  return median(pairs.map(({ ours, other }) => of(ours) / of(other)))!;
}

/**
 * The half of the pairs in which the other one was disturbed least, by its own p99; of an odd number the greater half.
 */
export function quieterHalf<P extends { other: Measured }>(pairs: readonly P[]): P[] {
  return pairs.toSorted((a, b) => a.other.p99 - b.other.p99).slice(0, Math.ceil(pairs.length / 2));
}

export interface Goal {
  text: string;
  met: boolean;
}

export const goalLines = (goals: readonly Goal[]): string[] =>
  goals.map(({ text, met }) => `goal ${met ? 'met' : 'MISSED'}: ${text}`);
