/**
 * What the test of the shift sees of a metric: log ratios, or differences where there are no ratios. Pure.
 *
 * A value of 0 on one side alone has no ratio, nor has one below 0. Where that is so of more than GAPS of the
 * observations that tell anything, the metric is judged on its differences, candidate - baseline. The signed-rank test
 * is exact for these too: if both sides are alike, each difference might as well have had the other sign. Observations
 * in which both sides are the same are left out. Which of the two is tested hangs on values that stay what they are when
 * the sides of an observation are exchanged, so the choice costs no error.
 */
import type { Metric } from '../documents/run.ts';
import { hasRatio, logRatio, type Pair } from './observations.ts';
import { hodgesLehmann, upperBound, walshAverages } from './signed-rank.ts';

/** Share of the observations that need no ratio: those left out cannot hide much. */
export const GAPS = 0.05;

/** Values turned so that above 0 is worse, or more where neither direction is better. */
export interface Shift {
  isDifference: boolean;
  values: number[];
  walsh: Float64Array;
  /** How large it is, and the metric's margin: of ratios logarithms, of differences the means in the unit. */
  effect: number;
  margin: number;
}

/** 1 where more is worse, or is at least no better. */
export const signOf = ({ better }: Pick<Metric, 'better'>): 1 | -1 => (better === 'higher' ? -1 : 1);

export function shiftOf(metric: Metric, pairs: readonly (Pair | null)[]): Shift {
  const whole = pairs.filter((pair) => pair !== null);
  const sign = signOf(metric);
  if (lacksRatios(whole)) {
    const values = differences(whole, sign).filter((value) => value !== 0);
    const level = mean(whole.map(({ baseline }) => Math.abs(baseline)));
    return {
      isDifference: true,
      values,
      walsh: walshAverages(values),
      effect: mean(differences(whole, sign)),
      margin: metric.margin * level,
    };
  }
  const values = whole.filter(hasRatio).map((pair) => sign * logRatio(pair) + 0);
  const walsh = walshAverages(values);
  return { isDifference: false, values, walsh, effect: hodgesLehmann(walsh), margin: Math.log1p(metric.margin) };
}

/** Whether the metric is judged on its differences; two zeros tell nothing of it. */
export function lacksRatios(pairs: readonly Pair[]): boolean {
  const telling = pairs.filter(({ candidate, baseline }) => candidate !== 0 || baseline !== 0);
  return telling.filter((pair) => !hasRatio(pair)).length > GAPS * telling.length;
}

/**
 * Whether the differences exclude a change for the worse by the margin of the baseline's own value; with `either`, for
 * the better too. Where next to nothing differs at all there is no such change.
 */
export function excludesMargin({ margin, ...metric }: Metric, pairs: readonly (Pair | null)[], beta: number): boolean {
  const whole = pairs.filter((pair) => pair !== null);
  const differing = whole.filter(({ candidate, baseline }) => candidate !== baseline).length;
  const few = differing <= GAPS * pairs.length;
  const within = (sign: 1 | -1) => {
    const beyond = differences(whole, sign).map((value, i) => value - margin * Math.abs(whole[i]!.baseline));
    const bound = upperBound(walshAverages(beyond), beyond.length, beta);
    return few ? bound <= 0 : bound < 0;
  };
  return within(signOf(metric)) && (metric.better !== 'neither' || within(-1));
}

const differences = (pairs: readonly Pair[], sign: 1 | -1): number[] =>
  pairs.map(({ candidate, baseline }) => sign * (candidate - baseline) + 0);

/** 0 of nothing. */
export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
