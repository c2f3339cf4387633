/**
 * One sample of differences, told apart from 0: the signed-rank test of Wilcoxon (1945) with its exact distribution,
 * and the Hodges-Lehmann estimate (1963) with the interval that belongs to the same test. Nothing is assumed of the
 * differences but that they would lie evenly around 0 if nothing had changed. Pure. Lists are not changed.
 *
 * Sources: M. Hollander, D. A. Wolfe, E. Chicken, Nonparametric Statistical Methods, 3rd ed. (2014), sections 3.1 to
 * 3.3.
 */

/** Means of all pairs of values, each value with itself too, in order: n (n + 1) / 2 of them. */
export function walshAverages(values: readonly number[]): Float64Array {
  const n = values.length;
  const averages = new Float64Array((n * (n + 1)) / 2);
  let next = 0;
  for (let i = 0; i < n; i++) for (let j = i; j < n; j++) averages[next++] = (values[i]! + values[j]!) / 2;
  return averages.sort();
}

/** The Hodges-Lehmann estimate: the median of the Walsh averages. NaN of nothing. */
export function hodgesLehmann(walsh: Float64Array): number {
  const middle = walsh.length >> 1;
  return walsh.length % 2 === 1 ? walsh[middle]! : (walsh[middle - 1]! + walsh[middle]!) / 2;
}

/**
 * Below this the true centre lies with probability of at most `alpha`: the one-sided bound. -Infinity where so few
 * values allow none. `walsh`: of `n` values.
 */
export function lowerBound(walsh: Float64Array, n: number, alpha: number): number {
  const place = boundPlace(n, alpha);
  return place === 0 ? -Infinity : walsh[place - 1]!;
}

/** The same from above. */
export function upperBound(walsh: Float64Array, n: number, alpha: number): number {
  const place = boundPlace(n, alpha);
  return place === 0 ? Infinity : walsh[walsh.length - place]!;
}

/** The greatest k with P(W <= k - 1) <= alpha under the null hypothesis; 0 where there is none. */
function boundPlace(n: number, alpha: number): number {
  const cumulative = nullDistribution(n);
  let [low, high] = [0, cumulative.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (cumulative[middle - 1]! <= alpha) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Least one-sided p-value that n values can have: all on one side. */
export const leastP = (n: number): number => 2 ** -n;

/**
 * Probability, under the null hypothesis, of a rank sum of the positive values as great as this one's or greater.
 * Exact, with tied ranks too. Zeros are left out (Wilcoxon's way). 1 of nothing.
 */
export function signedRankP(values: readonly number[]): number {
  const kept = values.filter((value) => value !== 0);
  if (kept.length === 0) return 1;
  const ranks = doubledRanks(kept.map(Math.abs));
  const observed = kept.reduce((sum, value, i) => (value > 0 ? sum + ranks[i]! : sum), 0);
  const tied = ranks.some((rank, i) => ranks.indexOf(rank) !== i);
  if (!tied) return upperTail(nullDistribution(kept.length), observed / 2);
  return upperTail(cumulate(subsetSums(ranks)), observed);
}

/** P(W >= w) of a cumulative distribution over 0, 1, 2, ..., which is even around its middle. */
const upperTail = (cumulative: Float64Array, w: number): number => cumulative[cumulative.length - 1 - w]!;

const known = new Map<number, Float64Array>();

/** P(W <= w) for w = 0, 1, ..., n (n + 1) / 2, without ties. */
function nullDistribution(n: number): Float64Array {
  const found = known.get(n);
  if (found) return found;
  const made = cumulate(subsetSums(Array.from({ length: n }, (_, i) => i + 1)));
  known.set(n, made);
  return made;
}

/** Probability of each sum, when every weight (whole, above 0) is in it or not as a coin falls. */
export function subsetSums(weights: readonly number[]): Float64Array {
  const sums = new Float64Array(weights.reduce((sum, weight) => sum + weight, 0) + 1);
  sums[0] = 1;
  let reached = 0;
  for (const weight of weights) {
    for (let sum = reached; sum >= 0; sum--) {
      const half = sums[sum]! / 2;
      sums[sum] = half;
      sums[sum + weight]! += half;
    }
    reached += weight;
  }
  return sums;
}

function cumulate(probabilities: Float64Array): Float64Array {
  let total = 0;
  return probabilities.map((probability) => (total += probability));
}

/** Twice the rank of each value, from 2; equal values share the mean of their ranks, so that all are whole numbers. */
export function doubledRanks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const ranks = new Array<number>(values.length);
  for (let first = 0; first < order.length; ) {
    let last = first;
    while (last + 1 < order.length && values[order[last + 1]!] === values[order[first]!]) last++;
    for (let i = first; i <= last; i++) ranks[order[i]!] = first + last + 2;
    first = last + 1;
  }
  return ranks;
}
