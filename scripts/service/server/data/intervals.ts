/** Intervals that charts draw. Pure. */
import { hodgesLehmann, lowerBound, upperBound, walshAverages } from '../../../judge/signed-rank.ts';
import { LEAST, LEVEL } from '../../../judge/verdict.ts';
import type { Interval } from './data-types.ts';

/**
 * Of the median of what the values are drawn from, by order statistics: no assumption but that rounds are independent
 * (Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, 3rd ed., section 3.6). Null of fewer than six
 * values.
 */
export function medianInterval(values: readonly number[]): Interval | null {
  const n = values.length;
  if (n < LEAST) return null;
  const sorted = values.toSorted((a, b) => a - b);
  // The greatest k with P(Binomial(n, 1/2) < k) <= (1 - LEVEL) / 2: the k-th value from either end.
  let k = 0;
  for (let chance = 2 ** -n, sum = chance; sum <= (1 - LEVEL) / 2; sum += chance) {
    k++;
    chance = (chance * (n - k + 1)) / k;
  }
  return { level: LEVEL, low: sorted[k - 1]!, high: sorted[n - k]! };
}

/**
 * Of a level that hangs on a baseline's: the interval of the ratio, as the judge has it, times that level. `level`:
 * baseline's times the ratio. Null of fewer than six.
 */
export function ratioInterval(level: number, logRatios: readonly number[]): Interval | null {
  const n = logRatios.length;
  if (n < LEAST) return null;
  const walsh = walshAverages(logRatios);
  const baseline = level / Math.exp(hodgesLehmann(walsh));
  const at = (bound: number) => baseline * Math.exp(bound);
  return {
    level: LEVEL,
    low: at(lowerBound(walsh, n, (1 - LEVEL) / 2)),
    high: at(upperBound(walsh, n, (1 - LEVEL) / 2)),
  };
}
