/**
 * Two samples that have nothing to do with each other, told apart: the rank-sum test of Wilcoxon, Mann and Whitney with
 * its exact distribution, and the Hodges-Lehmann estimate of the shift with the interval that belongs to the same test.
 * Pure. Lists are not changed.
 *
 * Sources: H. B. Mann, D. R. Whitney, Ann. Math. Statist. 18 (1947); M. Hollander, D. A. Wolfe, E. Chicken,
 * Nonparametric Statistical Methods, 3rd ed. (2014), sections 4.1 (test, ties, large samples), 4.2 and 4.3.
 */
import { doubledRanks } from './signed-rank.ts';

/** Up to so many pairs (63 values on each side) the distribution is exact; beyond, the normal one stands for it. */
const EXACT_PAIRS = 4000;

/**
 * Every value of `second` less every value of `first`, in order. Their median is the estimate of the shift
 * (`hodgesLehmann`).
 */
export function shifts(first: readonly number[], second: readonly number[]): Float64Array {
  return Float64Array.from(second.flatMap((after) => first.map((before) => after - before))).sort();
}

/**
 * Below this the true shift lies with probability of at most `alpha`. -Infinity where so few values allow no bound.
 * `sorted`: the shifts of samples of `m` and `n` values.
 */
export function lowerShift(sorted: Float64Array, m: number, n: number, alpha: number): number {
  const place = boundPlace(m, n, alpha);
  return place === 0 ? -Infinity : sorted[place - 1]!;
}

/** The same from above. */
export function upperShift(sorted: Float64Array, m: number, n: number, alpha: number): number {
  const place = boundPlace(m, n, alpha);
  return place === 0 ? Infinity : sorted[sorted.length - place]!;
}

/**
 * Probability, under the null hypothesis, that the ranks of `second` add up to as much or more. Exact with ties too, up
 * to EXACT_PAIRS. 1 where one has no value.
 */
export function rankSumP(first: readonly number[], second: readonly number[]): number {
  const [m, n] = [first.length, second.length];
  if (m === 0 || n === 0) return 1;
  const ranks = doubledRanks([...first, ...second]);
  const observed = ranks.slice(m).reduce((sum, rank) => sum + rank, 0);
  const sizes = [...Map.groupBy(ranks, (rank) => rank).values()].map((tied) => tied.length);
  const above = (observed - n * (n + 1)) / 2; // U, the number of pairs in which the second is greater
  if (m * n > EXACT_PAIRS) return normal(((m * n) / 2 - above + 0.5) / deviation(m, n, sizes));
  if (sizes.length === m + n) return cumulativeU(m, n)[m * n - above]!;
  // As U is, seen from its other end: few large values become a small sum.
  const top = 2 * (m + n);
  const cumulative = drawnSums(
    ranks.map((rank) => top - rank),
    n,
  );
  return Math.min(1, cumulative[n * top - observed]!);
}

/** The greatest k with P(U <= k - 1) <= alpha under the null hypothesis; 0 where there is none. */
function boundPlace(m: number, n: number, alpha: number): number {
  const exact = m * n <= EXACT_PAIRS ? cumulativeU(m, n) : null;
  const below = (u: number) => (exact ? exact[u]! : normal((u + 0.5 - (m * n) / 2) / deviation(m, n, [])));
  let [low, high] = [0, m * n];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (below(middle - 1) <= alpha) low = middle;
    else high = middle - 1;
  }
  return low;
}

const known = new Map<string, Float64Array>();

/** P(U <= u) for u = 0, 1, ..., m n, without ties. */
function cumulativeU(m: number, n: number): Float64Array {
  const key = `${m} ${n}`;
  const made =
    known.get(key) ??
    drawnSums(
      Array.from({ length: m + n }, (_, i) => i),
      n,
    ).slice((n * (n - 1)) / 2);
  known.set(key, made);
  return made;
}

/** P(sum <= s), s from 0, when `size` of the whole weights (0 or more) are drawn, every choice alike. */
function drawnSums(weights: readonly number[], size: number): Float64Array {
  const most = weights
    .toSorted((a, b) => b - a)
    .slice(0, size)
    .reduce((sum, weight) => sum + weight, 0);
  const ways = Array.from({ length: size + 1 }, () => new Float64Array(most + 1));
  ways[0]![0] = 1;
  for (const [i, weight] of weights.entries()) {
    for (let drawn = Math.min(size, i + 1); drawn > 0; drawn--) {
      const [into, from] = [ways[drawn]!, ways[drawn - 1]!];
      for (let sum = weight; sum <= most; sum++) into[sum]! += from[sum - weight]!;
    }
  }
  const total = ways[size]!.reduce((sum, count) => sum + count, 0);
  let reached = 0;
  return ways[size]!.map((count) => (reached += count) / total);
}

/** Standard deviation of U; `ties`: how many values share each rank. */
function deviation(m: number, n: number, ties: readonly number[]): number {
  const all = m + n;
  const shared = ties.reduce((sum, t) => sum + t ** 3 - t, 0) / (all * (all - 1));
  return Math.sqrt(((m * n) / 12) * (all + 1 - shared));
}

/**
 * P(Z <= z) of the normal distribution. Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.2.17: off
 * by less than 1e-7.
 */
function normal(z: number): number {
  if (Number.isNaN(z)) return 1; // every value is the same
  if (z > 0) return 1 - normal(-z);
  const t = 1 / (1 - 0.2316419 * z);
  const series = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return (series * Math.exp((-z * z) / 2)) / Math.sqrt(2 * Math.PI);
}
