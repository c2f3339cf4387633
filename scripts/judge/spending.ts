/**
 * When a sequential comparison is looked at, and how much error each look may spend. Pure.
 *
 * The error is spent by the power family of Kim and DeMets (Biometrika 74, 1987), which may be looked at whenever one
 * likes (Lan and DeMets, Biometrika 70, 1983): after n of at most N observations, total * sqrt(n / N) of it is spent.
 * What a look spends is added up (Bonferroni) instead of integrated over the joint distribution of the looks: a little
 * power is lost, and no assumption on how the looks hang together is left.
 */
import { leastP } from './signed-rank.ts';

/** Looks are taken at even numbers of observations from the least one on, and at the last. */
const STEP = 2;

export interface Design {
  design: 'sequential' | 'fixed';
  min: number;
  max: number;
}

/**
 * Numbers of observations, up to `observed`, at which is looked. `ended`: no more will come, so the last one counts as
 * a look.
 */
export function looksOf({ design, min, max }: Design, observed: number, ended: boolean): number[] {
  const looks: number[] = [];
  if (design === 'sequential') for (let n = min; n <= Math.min(observed, max); n += STEP) looks.push(n);
  if ((ended || observed >= max) && observed >= 1 && looks.at(-1) !== observed) looks.push(observed);
  return looks;
}

/**
 * How much of `total` may be spent at each look on `tests` tests together. A look at which not even the most extreme
 * outcome could pass spends nothing and leaves its share to the next one. The last look, where no more will come or the
 * greatest number is reached, has all that is left.
 */
export function spend(
  total: number,
  tests: number,
  looks: readonly number[],
  design: Design,
  ended: boolean,
): number[] {
  let spent = 0;
  return looks.map((n, i) => {
    const last = i === looks.length - 1 && (ended || n >= design.max);
    const available = total * (last || design.design === 'fixed' ? 1 : Math.sqrt(Math.min(1, n / design.max))) - spent;
    if (leastP(n) > available / Math.max(1, tests)) return 0;
    spent += available;
    return available;
  });
}
