/**
 * The judge: is the candidate worse than the baseline, and how sure are we. Pure; the same observations give the same
 * verdict, whenever they are judged. docs/verdict.md explains it and says what it was seen to do.
 *
 * Each metric is a list of log ratios, one for each observation, turned so that above 0 is worse; of differences where a
 * side is 0 (shift.ts). At each look a metric is a REGRESSION where the exact signed-rank test rejects "not worse" (Holm, Scand. J. Statist. 6, 1979, over the
 * primary metrics), the bound that belongs to the test excludes 0 when it is stretched, and the estimate is at least
 * half its margin; an IMPROVEMENT likewise; a PASS where the upper bound is under the margin, unless it looks like an
 * improvement by more than the margin, which gets the time to be found. What was decided at a look stays, but a PASS
 * may become more than that while other metrics are open.
 */
import type { Metric } from '../documents/run.ts';
import type { MetricVerdict, Verdict } from '../documents/verdict.ts';
import { compareDispersion, type Dispersion } from './dispersion.ts';
import { effectWords } from './effect-text.ts';
import { hasRatio, type Pair } from './observations.ts';
import { excludesMargin, GAPS, mean, type Shift, shiftOf, signOf } from './shift.ts';
import { hodgesLehmann, lowerBound, signedRankP, upperBound } from './signed-rank.ts';
import { type Design, looksOf, spend } from './spending.ts';
import { median } from './statistics.ts';

/** A false REGRESSION, over all primary metrics and all looks; the same for a false IMPROVEMENT. */
export const ALPHA = 0.01;
/** What of it the test of dispersion has; the shift has the rest. */
export const ALPHA_DISPERSION = 0.002;
const ALPHA_SHIFT = ALPHA - ALPHA_DISPERSION;
/** A PASS of a metric whose true slowdown is its margin. */
export const BETA = 0.05;
/**
 * How much farther from the estimate than the test has it a bound may be said to exclude 0. The test takes observations
 * as independent; where the next one has a correlation r with this one, bounds are too tight by up to sqrt((1 + r) / (1
 * - r)). So much keeps false alarms under ALPHA for r = 0.3 (npm run perf:verdict).
 */
export const STRETCH = 1.3;
/** The candidate varies at least so many times as much as the baseline, or it is no finding. */
export const LEAST_DISPERSION = 2;
/** A PASS needs ratios in this share of the observations: what has none must not hide. */
const WHOLE = 1 - GAPS;
/** Level of the interval that is shown. */
export const LEVEL = 0.95;

/** Least number of observations of a sequential comparison. */
export const LEAST = 6;

/** A metric and its values, observation by observation; null where one has none. */
export interface MetricPairs {
  metric: Metric;
  pairs: readonly (Pair | null)[];
}

export interface Judgement {
  verdict: Exclude<Verdict, 'INVALID'>;
  metrics: MetricVerdict[];
  looks: number[];
  /** The observations that it rests on: those up to the look that decided. */
  observations: number;
  /** Nothing that comes can change it. */
  decided: boolean;
  /** Observations more that would probably decide; null where it is decided or none would. */
  more: number | null;
}

type Finding = 'REGRESSION' | 'IMPROVEMENT' | 'PASS';

/** What the walk over the looks keeps of a primary metric. */
interface Track {
  metric: Metric;
  pairs: readonly (Pair | null)[];
  finding: Finding | null;
  /** Best bounds of the ratio so far, log, in the direction of worse: they hold over all looks together. */
  atLeast: number;
  atMost: number;
  dispersion: Dispersion | null;
}

/**
 * Judges all observations that there are. `ended`: no more will come. Observations behind the look that decided are
 * not looked at.
 */
export function judge(input: readonly MetricPairs[], design: Design, ended: boolean): Judgement {
  // What was decided on the way was decided with what had been spent by then: that no more comes is its consequence.
  const onTheWay = walk(input, design, false);
  return ended && !onTheWay.decided ? walk(input, design, true) : onTheWay;
}

function walk(input: readonly MetricPairs[], design: Design, ended: boolean): Judgement {
  const observed = Math.max(0, ...input.map(({ pairs }) => pairs.length));
  const tracks = input
    .filter(({ metric, pairs }) => metric.primary && canBeJudged(metric, pairs))
    .map(
      ({ metric, pairs }): Track => ({
        metric,
        pairs,
        finding: null,
        atLeast: -Infinity,
        atMost: Infinity,
        dispersion: null,
      }),
    );
  const looks = looksOf(design, observed, ended);
  const alphas = spend(ALPHA_SHIFT, hypothesesOf(tracks).length, looks, design, ended);
  const betas = spend(BETA, 1, looks, design, ended);

  let used = 0;
  let together: Finding | null = null;
  for (const [i, n] of looks.entries()) {
    look(tracks, n, alphas[i]!, betas[i]!, i === looks.length - 1 && (ended || n >= design.max));
    used = i + 1;
    together = combine(tracks);
    if (together) break;
  }
  const isLast = together !== null || ended || observed >= design.max;
  const seen = together ? looks[used - 1]! : observed;
  if (isLast && together !== 'REGRESSION') findDispersion(tracks, seen);
  const verdict = combine(tracks) ?? 'INCONCLUSIVE';
  const byName = new Map(tracks.map((track) => [track.metric.name, track]));
  const metrics = input.map(({ metric, pairs }) => describe(metric, pairs.slice(0, seen), byName.get(metric.name)));
  return {
    verdict,
    metrics,
    looks: looks.slice(0, used),
    observations: seen,
    decided: verdict !== 'INCONCLUSIVE',
    more: verdict === 'INCONCLUSIVE' ? moreNeeded(tracks, seen) : null,
  };
}

/** A metric that a side has no value of, or that means another thing on each, leaves the verdict to the others. */
export const canBeJudged = ({ incomparable }: Metric, pairs: readonly (Pair | null)[]): boolean =>
  incomparable === undefined && pairs.some((pair) => pair !== null);

/** The run's verdict of those of its primary metrics; null while it is open. */
function combine(tracks: readonly Track[]): Finding | null {
  if (tracks.length === 0) return null;
  if (tracks.some(({ finding }) => finding === 'REGRESSION')) return 'REGRESSION';
  if (tracks.some(({ finding }) => finding === null)) return null;
  return tracks.some(({ finding }) => finding === 'IMPROVEMENT') ? 'IMPROVEMENT' : 'PASS';
}

/** What is tested for a REGRESSION: that a metric is worse; of one that has no better direction, either way. */
interface Hypothesis {
  track: Track;
  /** -1: of the values turned round. */
  sign: 1 | -1;
}

const isTwoSided = ({ metric }: Track) => metric.better === 'neither';
const hypothesesOf = (tracks: readonly Track[]): Hypothesis[] =>
  tracks.flatMap((track) => (isTwoSided(track) ? [1, -1] : [1]).map((sign) => ({ track, sign }) as Hypothesis));

/** One look at the first n observations. `last`: there is no other. */
function look(tracks: readonly Track[], n: number, alpha: number, beta: number, last: boolean): void {
  const seen = new Map(tracks.map((track) => [track, shiftOf(track.metric, track.pairs.slice(0, n))]));
  const test = (hypotheses: readonly Hypothesis[]) => {
    const tested = holm(
      hypotheses.map(({ track, sign }) => signedRankP(seen.get(track)!.values.map((value) => sign * value))),
      alpha,
    );
    return new Map(hypotheses.map(({ track, sign }, i) => [`${tracks.indexOf(track)} ${sign}`, tested[i]!]));
  };
  const worse = test(hypothesesOf(tracks));
  const better = test(tracks.filter((track) => !isTwoSided(track)).map((track) => ({ track, sign: -1 })));
  for (const [i, track] of tracks.entries()) {
    const shift = seen.get(track)!;
    const { values, walsh, effect, margin, isDifference } = shift;
    if (values.length === 0 && !isDifference) continue;
    const two = isTwoSided(track);
    const [up, down] = [worse.get(`${i} 1`)!, (two ? worse : better).get(`${i} -1`)!];
    const estimate = hodgesLehmann(walsh);
    const low = estimate - STRETCH * (estimate - lowerBound(walsh, values.length, up.level));
    const high = estimate + STRETCH * (upperBound(walsh, values.length, down.level) - estimate);
    if (!isDifference) {
      const [least, most] = [lowerBound, upperBound].map((bound) => bound(walsh, values.length, beta)) as [
        number,
        number,
      ];
      track.atLeast = Math.max(track.atLeast, two ? Math.max(low, -high) : low);
      track.atMost = Math.min(track.atMost, two ? Math.max(most, -least) : most);
    }
    const isMore = up.rejected && low > 0 && effect >= margin / 2;
    const isLess = down.rejected && high < 0 && effect <= -margin / 2;
    if (isMore || (two && isLess)) track.finding = 'REGRESSION';
    else if (isLess) track.finding = 'IMPROVEMENT';
    else if (!track.finding && excludesWorse(track, shift, n, beta) && (two || last || effect > -margin))
      track.finding = 'PASS';
  }
}

function excludesWorse({ metric, pairs, atMost }: Track, shift: Shift, n: number, beta: number): boolean {
  if (shift.isDifference) return excludesMargin(metric, pairs.slice(0, n), beta);
  return shift.values.length >= WHOLE * n && atMost < shift.margin;
}

interface Tested {
  rejected: boolean;
  /** The level at which this one is tested, after those that were rejected before it. */
  level: number;
}

/** Holm's step-down procedure: which hypotheses are rejected when all together may err with probability `alpha`. */
export function holm(ps: readonly number[], alpha: number): Tested[] {
  const tested = new Array<Tested>(ps.length);
  let open = true;
  let left = ps.length;
  for (const index of ps.map((_, i) => i).sort((a, b) => ps[a]! - ps[b]!)) {
    open &&= alpha > 0 && ps[index]! <= alpha / left;
    tested[index] = { rejected: open, level: alpha / left };
    if (open) left--;
  }
  return tested;
}

/**
 * A metric without a finding, or one that passed, is a REGRESSION where the candidate varies far more than the
 * baseline.
 */
function findDispersion(tracks: readonly Track[], n: number): void {
  for (const track of tracks) {
    track.dispersion = dispersionOf(track.pairs.slice(0, n));
    const { dispersion } = track;
    if (dispersion && dispersion.ratio >= LEAST_DISPERSION && dispersion.p <= ALPHA_DISPERSION / tracks.length)
      track.finding = 'REGRESSION';
  }
}

function dispersionOf(pairs: readonly (Pair | null)[]): Dispersion | null {
  const whole = pairs.filter((pair): pair is Pair => pair !== null && hasRatio(pair) && pair.candidate > 0);
  return compareDispersion(
    whole.map(({ candidate }) => Math.log(candidate)),
    whole.map(({ baseline }) => Math.log(baseline)),
  );
}

function describe(metric: Metric, pairs: readonly (Pair | null)[], track: Track | undefined): MetricVerdict {
  const { name, unit, better, primary, margin, incomparable } = metric;
  const whole = pairs.filter((pair) => pair !== null);
  const { isDifference, values, walsh } = shiftOf(metric, pairs);
  const ratios = isDifference || incomparable !== undefined ? [] : values;
  const n = ratios.length;
  const any = n > 0;
  // In the direction of the value again: an interval around "worse" is turned where more is better.
  const sign = signOf(metric);
  const [low, high] = [lowerBound(walsh, n, (1 - LEVEL) / 2), upperBound(walsh, n, (1 - LEVEL) / 2)]
    .map((bound) => sign * bound)
    .sort((a, b) => a - b) as [number, number];
  const dispersion = incomparable === undefined ? (track?.dispersion ?? dispersionOf(pairs)) : null;
  const middle = (side: keyof Pair): number | null => {
    const all = (isDifference ? whole : whole.filter(hasRatio)).map((pair) => pair[side]);
    return isDifference ? mean(all) : median(all);
  };
  const isTold = isDifference && incomparable === undefined;
  const described: MetricVerdict = {
    name,
    unit,
    better,
    primary,
    margin,
    verdict: track && (any || isTold) ? (track.finding ?? 'INCONCLUSIVE') : null,
    candidate: middle('candidate'),
    baseline: middle('baseline'),
    change: any ? Math.expm1(sign * hodgesLehmann(walsh)) : null,
    ...(isTold ? { difference: differenceOf(whole) } : {}),
    ...(incomparable === undefined ? {} : { incomparable }),
    interval: Number.isFinite(low) && any ? { level: LEVEL, low: Math.expm1(low), high: Math.expm1(high) } : null,
    worse: isTold
      ? { at_least: null, at_most: null }
      : { at_least: bounded(track?.atLeast), at_most: bounded(track?.atMost) },
    p: any || isTold ? pValues(metric, values) : null,
    dispersion,
    noise: noiseOf(ratios),
    observations: isTold ? whole.length : n,
    words: '',
  };
  const varies =
    track?.finding === 'REGRESSION' &&
    dispersion !== null &&
    track.dispersion !== null &&
    dispersion.ratio >= LEAST_DISPERSION;
  described.words = varies
    ? `varies ${dispersion.ratio.toFixed(1)} times as much from round to round (${effectWords({ ...described, verdict: null })})`
    : effectWords(described);
  return described;
}

function differenceOf(pairs: readonly Pair[]): NonNullable<MetricVerdict['difference']> {
  return {
    change: mean(pairs.map(({ candidate, baseline }) => candidate - baseline)),
    more: pairs.filter(({ candidate, baseline }) => candidate > baseline).length,
    less: pairs.filter(({ candidate, baseline }) => candidate < baseline).length,
  };
}

function pValues({ better }: Metric, values: readonly number[]): NonNullable<MetricVerdict['p']> {
  const [up, down] = [signedRankP(values), signedRankP(values.map((value) => -value))];
  return better === 'neither' ? { worse: Math.min(1, 2 * Math.min(up, down)), better: 1 } : { worse: up, better: down };
}

const bounded = (log: number | undefined): number | null =>
  log === undefined || !Number.isFinite(log) ? null : Math.expm1(log);

/**
 * Standard deviation as the median absolute deviation tells it (times 1.4826 for normal values); null of fewer than
 * two.
 */
export function noiseOf(values: readonly number[]): number | null {
  if (values.length < 2) return null;
  const middle = median([...values])!;
  return 1.4826 * median(values.map((value) => Math.abs(value - middle)))!;
}

/** Standard errors that an estimate was away from 0, or from the margin, when it decided: about, as simulated. */
const ERRORS = { alpha: 5.4, beta: 3 };
const FARTHEST = 400;

/**
 * The number of further observations after which all open metrics would be decided, if estimate and noise stay as they
 * are; null: more than 400, or none.
 */
function moreNeeded(tracks: readonly Track[], n: number): number | null {
  const needs = tracks.filter(({ finding }) => finding === null).map((track) => needed(track, n));
  if (needs.length === 0) return null;
  const slow = needs.filter((need) => need.worse !== null).map((need) => need.worse!);
  const most = slow.length > 0 ? Math.min(...slow) : Math.max(...needs.map((need) => need.other ?? Infinity));
  return Number.isFinite(most) ? Math.max(1, most - n) : null;
}

/** Observations at which a metric would be found worse, or passed or better. */
function needed({ metric, pairs }: Track, n: number): { worse: number | null; other: number | null } {
  const { isDifference, values, effect, margin } = shiftOf(metric, pairs.slice(0, n));
  const noise = isDifference ? deviationOf(values, n, effect) || Number.MIN_VALUE : noiseOf(values);
  if (!noise) return { worse: null, other: values.length > 0 ? LEAST : null };
  const far = (errors: number, distance: number) =>
    distance > 0 ? Math.ceil(((errors * noise) / distance) ** 2) : Infinity;
  const within = (count: number, least: number) => (count <= FARTHEST ? Math.max(least, count + (count % 2)) : null);
  // What lies far enough on the side that is not worse is better, unless either way is worse.
  const size = metric.better === 'neither' ? Math.abs(effect) : effect;
  const worse = size >= margin / 2 && size > 0 ? within(far(ERRORS.alpha, size), 10) : null;
  const better = size <= -margin / 2 ? far(ERRORS.alpha, -size) : Infinity;
  return { worse, other: within(Math.min(better, far(ERRORS.beta, margin - size)), LEAST) };
}

/** Standard deviation of n differences; those that are not in `values` are 0. */
function deviationOf(values: readonly number[], n: number, centre: number): number {
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0) + (n - values.length) * centre ** 2;
  return Math.sqrt(squares / n);
}
