/** Small statistics over rounds. Pure. Lists are not changed. */

/** Middle value, or the mean of the middle two; null of nothing. */
export function median(values: number[]): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * Linear between the neighbours (type 7 of Hyndman and Fan, 1996), as the load generator computes percentiles. The
 * values are sorted, and there is one.
 */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const place = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
  return low + (high - low) * (place - Math.floor(place));
}

/**
 * Coefficient of variation: the standard deviation of a sample relative to its mean, 0.01 is 1 %. Null of fewer than two
 * values, or around 0.
 */
export function coefficientOfVariation(values: number[]): number | null {
  if (values.length < 2) return null;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  if (variance === 0) return 0;
  return mean === 0 ? null : Math.sqrt(variance) / Math.abs(mean);
}

/**
 * Relative change of `value` against `reference`: 0.01 is 1 % more. Null where the reference is 0 and the value is not.
 */
export function relativeChange(value: number, reference: number): number | null {
  if (value === reference) return 0;
  return reference === 0 ? null : value / reference - 1;
}
