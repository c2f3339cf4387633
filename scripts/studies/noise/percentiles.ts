/** Percentiles of many values. Pure; lists are not changed. */

/** The value that a share of the values does not exceed (nearest rank). NaN of nothing. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

export const medianOf = (values: readonly number[]): number => percentile(values, 0.5);
