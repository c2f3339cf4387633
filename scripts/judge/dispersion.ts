/**
 * Whether one side of pairs varies more than the other: a median hides a variance explosion. Pure.
 *
 * The idea is that of Pitman and Morgan (Biometrika 31, 1939): two variables vary alike exactly when their difference
 * and their sum are uncorrelated. Here with ranks, and with the exact distribution under exchange: if both sides of a
 * pair are alike, the difference might as well have had the other sign, while the sum stays what it is.
 */
import { doubledRanks, hodgesLehmann, subsetSums, walshAverages } from './signed-rank.ts';
import { median } from './statistics.ts';

/** What the distribution takes to compute grows with the sum of the weights. Reached by more than 50 pairs. */
const GREATEST_WEIGHT = 2500;

export interface Dispersion {
  /** Spread of the first side against the second: median absolute deviations. */
  ratio: number;
  /** One-sided: that the first side varies more. */
  p: number;
}

/**
 * Of the logarithms of both sides, pair by pair; null of fewer than six pairs, or where one side does not vary at all.
 */
export function compareDispersion(first: readonly number[], second: readonly number[]): Dispersion | null {
  const n = first.length;
  if (n < 6) return null;
  const [spread, other] = [deviation(first), deviation(second)];
  if (!(spread > 0) || !(other > 0)) return null;
  const difference = first.map((value, i) => value - second[i]!);
  const centre = hodgesLehmann(walshAverages(difference));
  const apart = difference.map((value) => value - centre);
  const size = doubledRanks(apart.map(Math.abs)).map((rank) => rank / 2);
  // centred: they add up to 0
  const place = doubledRanks(first.map((value, i) => value + second[i]!)).map((rank) => rank - (n + 1));
  // Any weights make an exact test as long as they do not depend on the signs: of many pairs coarse ones will do.
  const scale = Math.min(1, GREATEST_WEIGHT / n ** 2);
  const weights = place.map((where, i) => Math.round(Math.abs(where) * size[i]! * scale));
  const positive = apart.map((value, i) => value * place[i]! > 0);
  const observed = weights.reduce((sum, weight, i) => (positive[i] ? sum + weight : sum), 0);
  return {
    ratio: spread / other,
    p: tail(
      weights.filter((weight) => weight > 0),
      observed,
    ),
  };
}

/** P(sum >= observed), each weight in the sum or not as a coin falls. */
function tail(weights: number[], observed: number): number {
  const probabilities = subsetSums(weights);
  let total = 0;
  for (let sum = probabilities.length - 1; sum >= observed; sum--) total += probabilities[sum]!;
  return Math.min(1, total);
}

function deviation(values: readonly number[]): number {
  const middle = median([...values])!;
  return median(values.map((value) => Math.abs(value - middle)))!;
}
