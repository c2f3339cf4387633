/** How long to wait before something is tried again. Pure. */

export interface Backoff {
  /** Milliseconds after the first failure. */
  firstMs: number;
  /** Milliseconds that no pause exceeds. */
  longestMs: number;
  /** How many times as long each pause is as the one before; 2 where it is not given. */
  factor?: number;
}

/** Milliseconds to wait after so many failures before this one: 0 for the first. */
export const backoffMs = (before: number, { firstMs, longestMs, factor = 2 }: Backoff): number =>
  Math.min(longestMs, firstMs * factor ** Math.min(before, 50));
