/** Pauses before something is tried again. Times are milliseconds since the epoch. Pure. */

/**
 * No pause lasts longer (a limit of GitHub lasts an hour): one that ends later was written by a clock that has been set
 * back since.
 */
export const FURTHEST_MS = 3 * 3600_000;

/** Whether a time is still to be waited for. */
export const isAhead = (ms: number, now: number): boolean => ms > now && ms <= now + FURTHEST_MS;
