/**
 * The upper tail of Student's t, for whole degrees of freedom (Abramowitz, Stegun, Handbook of Mathematical Functions,
 * 26.7.3 and 26.7.4). Pure.
 */

/** P(T > t). Exact to about 1e-15, so not for levels near that. */
export function studentTail(t: number, degrees: number): number {
  if (t < 0) return 1 - studentTail(-t, degrees);
  const angle = Math.atan(t / Math.sqrt(degrees));
  const cosine = Math.cos(angle);
  const odd = degrees % 2 === 1;
  let term = odd ? cosine : 1;
  let sum = degrees === 1 ? 0 : term;
  for (let i = odd ? 3 : 2; i <= degrees - 2; i += 2) {
    term *= ((i - 1) / i) * cosine ** 2;
    sum += term;
  }
  const within = odd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
  return (1 - within) / 2;
}

/** The t above which this share of the distribution lies; shares from 1e-9 to 0.5. */
export function studentQuantile(share: number, degrees: number): number {
  let [low, high] = [0, 1];
  while (studentTail(high, degrees) > share) high *= 2;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (studentTail(middle, degrees) > share) low = middle;
    else high = middle;
  }
  return high;
}
