/**
 * Made-up measurements with a known answer, for `npm run perf:verdict`: seven ways in which rounds can be noisy, scaled
 * to what was measured on a small shared machine (docs/verdict.md). Pure and seeded.
 *
 * A value is exp(host + noise of the side + effect). What the host does is shared by both sides of an interleaved
 * round, to the last bit, and not by two runs of one side each. All noise is of the logarithm.
 */
import { generator } from '../../../loadgen/schedule.ts';
import type { Metric } from '../../documents/run.ts';
import type { Pair } from '../../judge/observations.ts';
import type { MetricPairs } from '../../judge/verdict.ts';

/** The three primary metrics: standard deviation of a round's log ratio, and the margin. */
export const METRICS = [
  { name: 'cpu_seconds_per_request', sd: 0.01, margin: 0.01 },
  { name: 'latency_med', sd: 0.01, margin: 0.01 },
  { name: 'latency_p95', sd: 0.03, margin: 0.03 },
] as const;
/** Correlation of the noise of two metrics of one side. */
const CORRELATION = 0.5;
/** A solo run: standard deviation, and correlation with the next one; the slow part of it has `RHO` from run to run. */
const HOST_SD = 0.165;
const HOST_CORRELATION = 0.57;
const RHO = 0.9;

export type Random = () => number;

export interface Model {
  name: string;
  about: string;
  /** What the host does is drawn anew for each run, and rounds share nothing. */
  quiet?: true;
  /** Correlation of a side's noise with that of its last round. */
  carry?: number;
  /** Of one side of one round, of standard deviation 1 (outliers come on top). */
  noise(random: Random): SideNoise;
}

interface SideNoise {
  /** What all metrics share. */
  common: number;
  /** What one metric has for itself. */
  own(): number;
}

const plain =
  (draw: (random: Random) => number) =>
  (random: Random): SideNoise => ({ common: draw(random), own: () => draw(random) });

export const MODELS: readonly Model[] = [
  { name: 'normal', about: 'independent, normal; the host is still', quiet: true, noise: plain(normal) },
  {
    name: 'drift',
    about: 'normal; the host drifts (AR(1), 0.9), which both sides of a round share',
    noise: plain(normal),
  },
  {
    name: 'start',
    about: 'drift, and three of ten starts of a side are slower, by twice the rest of the noise',
    noise: startLuck,
  },
  {
    name: 'heavy',
    about: 'drift, and Student t with 3 degrees of freedom',
    noise: plain((random) => studentT3(random) / Math.sqrt(3)),
  },
  { name: 'outliers', about: 'drift, and 5 % of the rounds have ten times the noise, on either side', noise: outliers },
  {
    name: 'correlated',
    about: 'drift, and the ratios hang together from round to round (AR(1), 0.3)',
    carry: 0.3,
    noise: plain(normal),
  },
  {
    name: 'skewed',
    about: 'drift, and log-normal noise of each side: never much faster, at times much slower',
    noise: plain(skewed),
  },
];

export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function studentT3(random: Random): number {
  const chi = normal(random) ** 2 + normal(random) ** 2 + normal(random) ** 2;
  return normal(random) / Math.sqrt(chi / 3);
}

/** Log-normal with shape 0.8, brought to mean 0 and standard deviation 1: skewness 3.7. */
function skewed(random: Random): number {
  const variance = 0.8 ** 2;
  return (
    (Math.exp(0.8 * normal(random)) - Math.exp(variance / 2)) / Math.sqrt((Math.exp(variance) - 1) * Math.exp(variance))
  );
}

/** Brought to standard deviation 1: the start has 0.3 x 0.7 x 2² of the variance, the rest 1. */
function startLuck(random: Random): SideNoise {
  const slow = random() < 0.3 ? 2 : 0;
  return { common: (slow + normal(random)) / Math.sqrt(1.84), own: () => normal(random) };
}

/** A round has two sides. */
function outliers(random: Random): SideNoise {
  const wide = random() < 0.05 / 2 ? 10 : 1;
  return { common: wide * normal(random), own: () => wide * normal(random) };
}

/** Noise of one side, all metrics, round after round. */
function sideNoise(model: Model, random: Random): () => number[] {
  const carry = model.carry ?? 0;
  let last: number[] | undefined;
  return () => {
    const { common, own } = model.noise(random);
    const fresh = METRICS.map(() => mix(common, own(), CORRELATION));
    const now: number[] = last ? fresh.map((value, i) => carry * last![i]! + Math.sqrt(1 - carry ** 2) * value) : fresh;
    last = now;
    return now;
  };
}

/** Two of variance 1 make one of variance 1, of which `share` is the first's. */
const mix = (first: number, second: number, share: number) => Math.sqrt(share) * first + Math.sqrt(1 - share) * second;

/** What the host adds to each logarithm, run after run. */
function hostNoise(model: Model, random: Random): () => number {
  const slowShare = model.quiet ? 0 : HOST_CORRELATION / RHO;
  let slow = normal(random);
  return () => {
    slow = RHO * slow + Math.sqrt(1 - RHO ** 2) * normal(random);
    return HOST_SD * mix(slow, normal(random), slowShare);
  };
}

/** Effect in the logarithm, for each metric. */
export type Effects = readonly number[];

/** Interleaved rounds of both sides, as the judge gets them. */
export function interleaved(model: Model, effects: Effects, rounds: number, random: Random): MetricPairs[] {
  const host = model.quiet ? () => 0 : hostNoise(model, random);
  const sides = [sideNoise(model, random), sideNoise(model, random)] as const;
  const pairs: Pair[][] = METRICS.map(() => []);
  for (let round = 0; round < rounds; round++) {
    const level = host();
    const [candidate, baseline] = [sides[0](), sides[1]()];
    for (const [i, { sd }] of METRICS.entries()) {
      const scale = sd / Math.SQRT2; // two sides make a ratio
      pairs[i]!.push({
        candidate: Math.exp(level + effects[i]! + scale * candidate[i]!),
        baseline: Math.exp(level + scale * baseline[i]!),
      });
    }
  }
  return METRICS.map(({ name, margin }, i) => ({ metric: metric(name, margin), pairs: pairs[i]! }));
}

/** Solo runs of the baseline, one after the other, and then one of the candidate: values of each metric. */
export function soloRuns(
  model: Model,
  effects: Effects,
  earlier: number,
  random: Random,
): { history: number[][]; candidate: number[] } {
  const host = hostNoise(model, random);
  const own = sideNoise(model, random);
  const history: number[][] = METRICS.map(() => []);
  const run = () => {
    const level = host();
    const noise = own();
    return METRICS.map(({ sd }, i) => level + (sd / Math.SQRT2) * noise[i]!);
  };
  for (let n = 0; n < earlier; n++) for (const [i, value] of run().entries()) history[i]!.push(Math.exp(value));
  return { history, candidate: run().map((value, i) => Math.exp(value + effects[i]!)) };
}

const metric = (name: string, margin: number): Metric => ({ name, unit: 's', better: 'lower', primary: true, margin });

/** The same numbers for the same trial of the same cell, whatever else is simulated. */
export const randomOf = (seed: number, ...cell: number[]): Random => generator(seed, ...cell);
