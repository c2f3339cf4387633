/** The rounds of a run as charts draw them: a dot for each, and the latency of each side. Pure. */

import type { RoundDocument, RunDocument, SideName } from '../../../documents/run.ts';
import { summarise } from '../../../judge/compare-runs.ts';
import { median } from '../../../judge/statistics.ts';
import { exactLatency, QUANTILE_SHARES } from '../../../measure/collect/load-metrics.ts';
import type { LatencyView, RoundView, SideValues } from './data-types.ts';
import { medianInterval } from './intervals.ts';

/** Why each round does not count, one sentence each; rounds that count are not in it. */
export function notCounted(run: Pick<RunDocument, 'rounds'>): Map<number, string[]> {
  const why = new Map<number, string[]>();
  for (const { round, side, valid, rate, reasons } of run.rounds) {
    const said = [
      ...(valid ? [] : reasons.length > 0 ? reasons.map(({ message }) => `${side}: ${message}`) : [`${side}: INVALID`]),
      ...(rate === undefined ? [] : [`a probe at ${rate} requests per second`]),
    ];
    const known = why.get(round) ?? [];
    if (said.length > 0) why.set(round, [...known, ...said.filter((one) => !known.includes(one))]);
  }
  return why;
}

/** Every round of one side; the figures are of those that count. */
export function sideValues(run: RunDocument, side: SideName, metric: string, why = notCounted(run)): SideValues {
  const dots = run.rounds
    .filter((round) => round.side === side && round.samples[metric])
    .map((round) => ({
      round: round.round,
      value: round.samples[metric]!.value,
      counts: !why.has(round.round),
      why: why.get(round.round) ?? [],
    }));
  const summary = summarise(run, side, metric);
  const interval = medianInterval(dots.filter(({ counts }) => counts).map(({ value }) => value));
  return {
    side,
    median: summary?.median ?? null,
    min: summary?.min ?? null,
    max: summary?.max ?? null,
    interval,
    dots,
  };
}

/** Rounds with their sides, in the order in which they were measured. */
export function roundViews(rounds: readonly RoundDocument[]): RoundView[] {
  return [...Map.groupBy(rounds, ({ round }) => round).values()].map((sides) => {
    const { round, block, rate, from_run, started_at, window_s } = sides[0]!;
    return {
      round,
      ...(block === undefined ? {} : { block }),
      ...(rate === undefined ? {} : { rate }),
      ...(from_run === undefined ? {} : { from_run }),
      started_at,
      window_s,
      sides: sides.map(({ side, valid, reasons }) => ({ side, valid, reasons })),
    };
  });
}

type Details = readonly { side: SideName; round: number; detail: unknown }[];

/**
 * Latency by side, of the rounds that count, from the load generator's exact result; none where there is none.
 * `details`: of store.details().
 */
export function latencyViews(run: RunDocument, details: Details): LatencyView[] {
  const why = notCounted(run);
  return (['candidate', 'baseline'] as const).flatMap((side) => {
    const rounds = details
      .filter((one) => one.side === side && !why.has(one.round))
      .flatMap(({ round, detail }) => {
        const latency = exactLatency(detail, side);
        return latency ? [{ round, ...latency }] : [];
      });
    if (rounds.length === 0) return [];
    return [
      {
        side,
        requests: rounds.reduce((sum, { requests }) => sum + requests, 0),
        quantiles: overRounds(rounds),
        rounds: rounds.map(({ round, quantiles }) => ({ round, quantiles })),
      },
    ];
  });
}

function overRounds(rounds: readonly { quantiles: { share: number; seconds: number }[] }[]): LatencyView['quantiles'] {
  return QUANTILE_SHARES.flatMap((share) => {
    const values = rounds.flatMap(({ quantiles }) =>
      quantiles.filter((one) => one.share === share).map(({ seconds }) => seconds),
    );
    return values.length > 0
      ? [{ share, seconds: median(values)!, low: Math.min(...values), high: Math.max(...values) }]
      : [];
  });
}
