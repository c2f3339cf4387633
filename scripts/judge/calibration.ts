/**
 * What the rounds of one build against itself say of the host and of the judge: how often it errs, and what it can see.
 * Pure; the same rounds give the same document. docs/calibration.md says what each figure covers.
 *
 * A decision is made again by drawing observations from the measured ones with replacement, in short blocks of
 * neighbours, so that what hangs together stays together (circular block bootstrap: D. N. Politis, J. P. Romano, in
 * LePage and Billard, Exploring the Limits of Bootstrap, 1992; blocks of about the third root of the number of
 * observations: H. R. Künsch, Ann. Statist. 17, 1989). Signs are not flipped: where one side is favoured, it shows.
 */
import { generator, textSeed } from '../../loadgen/schedule.ts';
import { defaultMargin } from '../config/metric-defaults.ts';
import { MOST } from '../config/types.ts';
import type { CalibrationDocument, CalibrationQuote } from '../documents/calibration.ts';
import type { Metric, RunDocument } from '../documents/run.ts';
import { shareOf } from './clopper-pearson.ts';
import { percentOf } from './effect-text.ts';
import { LEAST_REQUESTS_P99, requestsOf } from './judge-run.ts';
import { hasRatio, logRatio, observationsOf, type Pair, pairsOf } from './observations.ts';
import { hodgesLehmann, lowerBound, upperBound, walshAverages } from './signed-rank.ts';
import { judge, LEAST, LEVEL, type MetricPairs, noiseOf } from './verdict.ts';

/**
 * How many decisions are made again: to count the false ones; for each slowdown that is tried, of a primary metric and
 * of another one.
 */
export const EFFORT = { decisions: 1000, primary: 400, other: 100 };
export const POWER = 0.95;
/** Greatest numbers of observations for which the smallest slowdown is searched. */
export const CAPS = [10, 20, 40] as const;
/** Fewer observations than this allow no calibration; fewer than that a rough one. */
export const LEAST_OBSERVATIONS = 10;
export const ROUGH_OBSERVATIONS = 60;
/** A metric that cannot show this slowdown is not fit to gate. */
export const LARGEST_SLOWDOWN = 0.1;
/** Share of observations that may have no value, or no value above 0. */
const GAPS = 0.05;

/** Slowdowns that are tried: steps of 0.25 % up to 5 %, then of about a twentieth of the value, up to 100 %. */
const GRID: readonly number[] = [
  ...Array.from({ length: 20 }, (_, i) => (i + 1) / 400),
  0.055,
  0.06,
  0.065,
  0.07,
  0.075,
  0.08,
  0.085,
  0.09,
  0.095,
  0.1,
  0.11,
  0.12,
  0.13,
  0.14,
  0.15,
  0.16,
  0.18,
  0.2,
  0.22,
  0.24,
  0.27,
  0.3,
  0.35,
  0.4,
  0.45,
  0.5,
  0.6,
  0.7,
  0.8,
  0.9,
  1,
];

/** Observations that a run of one build against itself has for a calibration. */
export const observationCount = (run: RunDocument): number => observationsOf(run).length;

/** Both sides are one build in one deployment, so every difference is an error of the measurement. */
export const isCalibrationRun = ({ sides: { candidate, baseline } }: RunDocument): boolean =>
  baseline?.commit === candidate.commit && baseline.variant === candidate.variant;

/**
 * Calibrates on the counted rounds of a run of one build against itself; RangeError of fewer than LEAST_OBSERVATIONS
 * observations.
 */
export function calibrate(run: RunDocument, effort = EFFORT): CalibrationDocument {
  const observations = observationsOf(run);
  const n = observations.length;
  if (!isCalibrationRun(run) || run.pairing === 'solo')
    throw new TypeError(`run ${run.run_id} is not one build against itself`);
  if (n < LEAST_OBSERVATIONS) throw new RangeError(`a calibration needs ${LEAST_OBSERVATIONS} observations, got ${n}`);
  const usual = MOST[run.pairing];
  const input = run.metrics.map(
    (metric): MetricPairs => ({ metric: uncalibrated(metric), pairs: pairsOf(observations, metric.name) }),
  );
  const seed = textSeed(run.run_id);
  const draw = (count: number, length: number) => resamples(n, count, length, generator(seed, length));

  // No longer than what was measured: out of 20 rounds drawn 40 times over, chance differences of their spread would
  // look certain.
  const longest = Math.min(usual, n);
  const drawn = draw(effort.decisions, longest).map((picks) =>
    decide(
      input.filter(({ metric }) => metric.primary).map((one) => picked(one, picks, 0)),
      longest,
    ),
  );
  const of = (verdict: string) => shareOf(drawn.filter((one) => one.verdict === verdict).length, effort.decisions);
  const lengths = drawn.map(({ observations: length }) => length).sort((a, b) => a - b);

  const centred = input.map(centre);
  const metrics = input.map(({ metric, pairs }, i) => {
    const ratios = pairs.filter((pair) => pair !== null).filter(hasRatio);
    const values = ratios.map(logRatio);
    const possible = values.some((value) => value !== 0) || ratios.some(({ candidate }) => candidate > 0);
    const tested = testing(centred, i);
    const trials = metric.primary ? effort.primary : effort.other;
    const detects = CAPS.map((cap) => ({
      observations: cap,
      slowdown: possible ? smallestFound(tested, metric, cap, draw(trials, cap)) : null,
    }));
    const why = unfit(metric, pairs, run, detects.find(({ observations: cap }) => cap === usual)!.slowdown, usual);
    return {
      name: metric.name,
      primary: metric.primary,
      noise: noiseOf(values) ?? 0,
      correlation: correlation(values),
      detects,
      fit: why === undefined,
      ...(why === undefined ? {} : { why }),
      difference: differenceOf(values),
    };
  });
  return {
    schema: 'mayfly.calibration/v1',
    run_id: run.run_id,
    at: run.finished_at ?? run.started_at,
    benchmark: run.benchmark,
    host_id: run.host.id,
    stack_version: run.stack_version,
    pairing: run.pairing,
    commit: run.sides.candidate.commit,
    rounds: n,
    decisions: effort.decisions,
    false_alarms: of('REGRESSION'),
    false_improvements: of('IMPROVEMENT'),
    detects: Object.fromEntries(
      metrics.map(({ name, detects }) => [name, detects.find(({ observations: cap }) => cap === usual)!.slowdown]),
    ),
    observations: usual,
    length: { median: lengths[lengths.length >> 1]!, p95: lengths[Math.ceil(0.95 * lengths.length) - 1]! },
    metrics,
  };
}

/** What a report says of a calibration. */
export function quoteOf({
  run_id,
  at,
  rounds,
  decisions,
  false_alarms,
  detects,
  observations,
}: CalibrationDocument): CalibrationQuote {
  return { run_id, at, rounds, decisions, false_alarms, detects, observations };
}

/**
 * A default margin that this host cannot see is widened to the smallest slowdown that it finds, where that is fit to
 * gate; those of benchmark.yaml stay as they are.
 */
export function calibratedMargins(metrics: readonly Metric[], calibration: CalibrationQuote): Metric[] {
  return metrics.map((metric) => {
    const least = calibration.detects[metric.name];
    return metric.margin_from === 'default' &&
      typeof least === 'number' &&
      least > metric.margin &&
      least <= LARGEST_SLOWDOWN
      ? { ...metric, margin: least, margin_from: 'calibration' }
      : metric;
  });
}

/** With the default margin again: a calibration must not rest on the one before it, or margins would creep up. */
function uncalibrated(metric: Metric): Metric {
  return metric.margin_from === 'calibration'
    ? { ...metric, margin: defaultMargin(metric), margin_from: 'default' }
    : metric;
}

/** `count` lists of `length` places in 0 to n - 1, in runs of neighbours; after the last comes the first. */
export function resamples(n: number, count: number, length: number, random: () => number): number[][] {
  const block = Math.max(1, Math.round(Math.cbrt(n)));
  return Array.from({ length: count }, () => {
    const picks: number[] = [];
    while (picks.length < length) {
      const first = Math.floor(random() * n);
      for (let i = 0; i < block && picks.length < length; i++) picks.push((first + i) % n);
    }
    return picks;
  });
}

const decide = (input: readonly MetricPairs[], cap: number) =>
  judge(input, { design: 'sequential', min: LEAST, max: cap }, true);

/** The drawn observations of a metric; the candidate is worse by `slowdown` than it was measured. */
function picked({ metric, pairs }: MetricPairs, picks: readonly number[], slowdown: number): MetricPairs {
  const factor = metric.better === 'higher' ? 1 / (1 + slowdown) : 1 + slowdown;
  return { metric, pairs: picks.map((pick) => scaled(pairs[pick]!, factor)) };
}

const scaled = (pair: Pair | null, factor: number): Pair | null =>
  pair && factor !== 1 ? { ...pair, candidate: pair.candidate * factor } : pair;

/** Without the difference that the rounds happen to show, so that a slowdown laid on it is the whole one. */
function centre({ metric, pairs }: MetricPairs): MetricPairs {
  const values = pairs.flatMap((pair) => (pair && hasRatio(pair) && pair.candidate > 0 ? [logRatio(pair)] : []));
  const factor = values.length > 0 ? Math.exp(-hodgesLehmann(walshAverages(values))) : 1;
  return { metric, pairs: pairs.map((pair) => scaled(pair, factor)) };
}

/**
 * The metrics that are judged when the one at `index` is tested, itself first: with the other primary ones, or alone as
 * if it were primary.
 */
function testing(all: readonly MetricPairs[], index: number): MetricPairs[] {
  const { metric, pairs } = all[index]!;
  const others = metric.primary ? all.filter((one, i) => i !== index && one.metric.primary) : [];
  return [{ metric: { ...metric, primary: true }, pairs }, ...others];
}

/**
 * The smallest slowdown of the grid that is called in at least POWER of the decisions; null: none. Found by bisection:
 * what is found stays found when it grows.
 */
function smallestFound(
  [tested, ...others]: MetricPairs[],
  metric: Metric,
  cap: number,
  draws: readonly number[][],
): number | null {
  const otherPairs = draws.map((picks) => others.map((one) => picked(one, picks, 0)));
  const finds = (slowdown: number) => {
    let missesLeft = Math.floor(draws.length * (1 - POWER) + 1e-9);
    return draws.every((picks, i) => {
      const { metrics } = decide([picked(tested!, picks, slowdown), ...otherPairs[i]!], cap);
      return metrics[0]!.verdict === 'REGRESSION' || missesLeft-- > 0;
    });
  };
  // Below half its margin no slowdown is called.
  const from = GRID.findIndex((slowdown) => slowdown >= metric.margin / 2);
  if (from < 0) return null;
  let [low, high] = [from, GRID.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (finds(GRID[middle]!)) high = middle;
    else low = middle + 1;
  }
  return GRID[low] ?? null;
}

/** Correlation of each value with the next; 0 where nothing varies. */
export function correlation(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const product = values.slice(1).reduce((sum, value, i) => sum + (value - mean) * (values[i]! - mean), 0);
  return square > 0 ? product / square : 0;
}

function differenceOf(values: readonly number[]): CalibrationDocument['metrics'][number]['difference'] {
  if (values.length < LEAST) return null;
  const walsh = walshAverages(values);
  const tail = (1 - LEVEL) / 2;
  return {
    change: Math.expm1(hodgesLehmann(walsh)),
    low: Math.expm1(lowerBound(walsh, values.length, tail)),
    high: Math.expm1(upperBound(walsh, values.length, tail)),
  };
}

/** What the load generator is asked for says nothing of the service. */
const OF_THE_LOAD = ['request_rate', 'start_lag_p99'];

/** Why a metric should not gate; undefined where it may. */
function unfit(
  metric: Metric,
  pairs: readonly (Pair | null)[],
  run: RunDocument,
  found: number | null,
  usual: number,
): string | undefined {
  const missing = pairs.filter((pair) => pair === null).length;
  const zeros = pairs.filter((pair) => pair !== null && !(pair.candidate > 0 && pair.baseline > 0)).length;
  const requests = requestsOf(run);
  if (missing === pairs.length) return 'it has no value';
  if (OF_THE_LOAD.includes(metric.name)) return 'it tells of the load, not of the service';
  if (missing + zeros > GAPS * pairs.length)
    return `it is 0 or missing in ${missing + zeros} of ${pairs.length} observations`;
  if (/_p99$/.test(metric.name) && requests < LEAST_REQUESTS_P99)
    return `${Math.round(requests)} requests for each side and round are too few: ${LEAST_REQUESTS_P99} or more`;
  if (found === null) return `no slowdown up to 100 % is found in ${usual} observations`;
  if (found > LARGEST_SLOWDOWN)
    return `${percentOf(found)} % is the smallest slowdown found in ${usual} observations; ${percentOf(LARGEST_SLOWDOWN)} % or less would do`;
  return undefined;
}
