/** Quantiles of values that are sorted. Pure. */

export interface Quantile {
  share: number;
  seconds: number;
}

/**
 * Linear between the neighbours of the sorted values (type 7 of Hyndman and Fan, 1996), as the load generator, pandas
 * and DuckDB's quantile_cont do it.
 */
export function quantilesOf(sorted: Float32Array, shares: readonly number[]): Quantile[] {
  if (sorted.length === 0) return []; // all have failed
  return shares.map((share) => {
    const place = (sorted.length - 1) * share;
    const [below, above] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
    return { share, seconds: below + (above - below) * (place - Math.floor(place)) };
  });
}
