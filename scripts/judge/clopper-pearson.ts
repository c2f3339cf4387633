/**
 * The exact interval of a share (C. J. Clopper, E. S. Pearson, Biometrika 26, 1934): all shares at which neither so
 * many hits nor so few would be a surprise. Found by bisection on the binomial tail. Pure.
 */

/** Bisections of [0, 1]: the bounds are exact to 1e-15. */
const STEPS = 50;

export interface Share {
  share: number;
  low: number;
  high: number;
}

/** `hits` of `trials` as a share with its two-sided interval; of no trials: 0 to 1. */
export function shareOf(hits: number, trials: number, level = 0.95): Share {
  if (trials === 0) return { share: 0, low: 0, high: 1 };
  const tail = (1 - level) / 2;
  return {
    share: hits / trials,
    low: hits === 0 ? 0 : crossing((p) => 1 - binomialAtMost(hits - 1, trials, p) >= tail),
    high: hits === trials ? 1 : crossing((p) => binomialAtMost(hits, trials, p) <= tail),
  };
}

/** The least p at which `holds`, of one that holds from some p on. */
function crossing(holds: (p: number) => boolean): number {
  let [low, high] = [0, 1];
  for (let step = 0; step < STEPS; step++) {
    const middle = (low + high) / 2;
    if (holds(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/**
 * P(X <= k) of X hits in n trials with probability p, 0 < p < 1. Terms are made from logarithms, so that n may be
 * large.
 */
export function binomialAtMost(k: number, n: number, p: number): number {
  let term = n * Math.log1p(-p);
  let total = Math.exp(term);
  for (let i = 1; i <= k; i++) {
    term += Math.log((n - i + 1) / i) + Math.log(p) - Math.log1p(-p);
    total += Math.exp(term);
  }
  return Math.min(1, total);
}
