/**
 * Which comparison comes next, or that the search is over. Pure: all that is known goes in.
 *
 * The builds of a history are numbered from 0 (the good one) to `last` (the bad one). After the whole has been seen to
 * be slower, a build in the middle is compared with the good one, and so on, as git bisect does. What cannot be built
 * or decided is skipped, as `git bisect skip` does.
 */

/**
 * Of a build against the good one, or against the build before it. 'skipped': it could not be built, started or
 * decided.
 */
export type Found = 'slow' | 'fast' | 'skipped';

export interface Finding {
  build: number;
  against: number;
  found: Found;
}

export type Next =
  | { step: 'compare'; build: number; against: number; why: 'whole' | 'search' | 'verify' }
  /** The bad build is not slower than the good one, or that could not be decided. */
  | { step: 'nothing'; found: Exclude<Found, 'slow'> }
  /**
   * The first slow build is `after` + 1 to `upTo`: one, or several where those between were skipped. `verified`:
   * against the build before it; null where that was not asked.
   */
  | { step: 'answer'; after: number; upTo: number; verified: Found | null };

/** What to do after `findings`, on builds 0 to `last` (at least 1). */
export function next(last: number, findings: readonly Finding[]): Next {
  const of = (build: number, against: number) =>
    findings.find((one) => one.build === build && one.against === against)?.found;
  const whole = of(last, 0);
  if (whole === undefined) return { step: 'compare', build: last, against: 0, why: 'whole' };
  if (whole !== 'slow') return { step: 'nothing', found: whole };
  const { low, high } = boundsOf(last, findings);
  if (high - low === 1) {
    const verified = of(high, low);
    return verified === undefined
      ? { step: 'compare', build: high, against: low, why: 'verify' }
      : { step: 'answer', after: low, upTo: high, verified };
  }
  const build = chooseBetween(low, high, (one) => of(one, 0) === 'skipped');
  return build === null
    ? { step: 'answer', after: low, upTo: high, verified: null }
    : { step: 'compare', build, against: 0, why: 'search' };
}

/** The last build that is known to be fast and the first that is known to be slow. */
export function boundsOf(last: number, findings: readonly Finding[]): { low: number; high: number } {
  const known = (found: Found) =>
    findings.filter((one) => one.against === 0 && one.found === found).map(({ build }) => build);
  const high = Math.min(last, ...known('slow'));
  return { low: Math.max(0, ...known('fast').filter((build) => build < high)), high };
}

/** About how many comparisons are to come, the next one included; skipped ones come on top. */
export function stepsLeft(last: number, findings: readonly Finding[]): number {
  const step = next(last, findings);
  if (step.step !== 'compare') return 0;
  if (step.why === 'verify') return 1;
  const { low, high } = boundsOf(last, findings);
  const search = Math.ceil(Math.log2(high - low));
  return (step.why === 'whole' ? 1 : 0) + search + (search > 0 ? 1 : 0);
}

/**
 * A build between two others that was not skipped: the middle; where that one was, at a quarter, at three quarters and
 * so on, since neighbours of what cannot be built often cannot be built either. Null where none is left.
 */
function chooseBetween(low: number, high: number, isSkipped: (build: number) => boolean): number | null {
  const left = new Set(Array.from({ length: high - low - 1 }, (_, i) => low + 1 + i));
  for (let n = 1; left.size > 0; n++) {
    const build = Math.floor(low + (high - low) * halves(n));
    if (left.delete(build) && !isSkipped(build)) return build;
  }
  return null;
}

/** 1/2, 1/4, 3/4, 1/8, 5/8, ... for 1, 2, 3, ...: the sequence of van der Corput (1935) in base 2. */
function halves(n: number): number {
  let [value, share] = [0, 0.5];
  for (let rest = n; rest > 0; rest >>= 1, share /= 2) value += (rest & 1) * share;
  return value;
}
