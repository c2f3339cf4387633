/**
 * How many replicas there are to be: the formula of the horizontal autoscaler of Kubernetes as it is published
 * (kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale, "Algorithm details"), without its
 * policies for the pace of a change. Pure.
 */
import type { AutoscaleConfig } from '../config/types.ts';

/** A change of the utilisation that is not worth another count: --horizontal-pod-autoscaler-tolerance. */
export const TOLERANCE = 0.1;

/** What is known at one evaluation. */
export interface Observed {
  /** Seconds from the start of the window. */
  atS: number;
  /** What each replica that is to stay uses, in the unit of the request; null: not known, as of one that starts. */
  use: readonly (number | null)[];
  /** What each of them requests. */
  request: number;
}

/** A count that was wanted at a time. */
export interface Recommendation {
  atS: number;
  desired: number;
}

export interface Decision {
  /** Sum of use / sum of requests, of the replicas whose use is known; null where none is. */
  utilisation: number | null;
  desired: number;
  /** A sentence. */
  why: string;
  /** Those that the next decision is to know. */
  recommendations: Recommendation[];
}

const percent = (share: number) => `${Math.round(share * 100)} %`;

/** The count that the use alone asks for. */
function wanted(
  { use, request }: Pick<Observed, 'use' | 'request'>,
  target: number,
): { utilisation: number | null; count: number; why: string } {
  const current = use.length;
  const known = use.filter((one) => one !== null);
  if (known.length === 0) return { utilisation: null, count: current, why: 'the use of no replica is known yet' };
  const sum = known.reduce((total, one) => total + one, 0);
  const utilisation = sum / (known.length * request);
  const missing = current - known.length;
  const ratio = utilisation / target;
  const is = `${percent(utilisation)} used, ${percent(target)} wanted`;
  if (missing === 0) {
    if (isWithin(ratio)) return { utilisation, count: current, why: `${is}: within the tolerance` };
    const count = countOf(current * ratio);
    return { utilisation, count, why: `${is}: ceil(${current} × ${ratio.toFixed(2)}) = ${count}` };
  }
  // Of those that are not known the use is thought to be what changes the count least.
  const thought = ratio > 1 ? 0 : target * request;
  const withAll = (sum + missing * thought) / (current * request) / target;
  const rest = `${missing} not known and taken for ${ratio > 1 ? '0 %' : percent(target)}`;
  if (isWithin(withAll) || withAll > 1 !== ratio > 1)
    return { utilisation, count: current, why: `${is}, ${rest}: no change` };
  const count = countOf(current * withAll);
  return { utilisation, count, why: `${is}, ${rest}: ceil(${current} × ${withAll.toFixed(2)}) = ${count}` };
}

const isWithin = (ratio: number) => Math.abs(ratio - 1) <= TOLERANCE + 1e-9;
/** What floating point has added does not ask for one more. */
const countOf = (replicas: number) => Math.ceil(replicas - 1e-9);

/**
 * What is wanted now, not below the greatest count that was wanted in the window of the cooldown, within min and max.
 * `before`: the recommendations of the decision before; none at the first one, where what there is counts as wanted.
 */
export function decide(
  observed: Observed,
  { target, min, max, cooldownS }: Pick<AutoscaleConfig, 'target' | 'min' | 'max' | 'cooldownS'>,
  before: readonly Recommendation[],
): Decision {
  const current = observed.use.length;
  const { utilisation, count, why } = wanted(observed, target);
  const earlier = before.length > 0 ? before : [{ atS: observed.atS, desired: current }];
  const recommendations = [
    ...earlier.filter(({ atS }) => atS > observed.atS - cooldownS),
    { atS: observed.atS, desired: count },
  ];
  const greatest = Math.max(...recommendations.map(({ desired }) => desired));
  const stable = count < current ? Math.min(current, greatest) : count;
  const desired = Math.min(max, Math.max(min, stable));
  const held = stable > count ? `; not below ${stable}, which was wanted in the last ${cooldownS} s` : '';
  const bound = desired === stable ? '' : desired === max ? `; no more than ${max}` : `; no fewer than ${min}`;
  return { utilisation, desired, why: `${why}${held}${bound}`, recommendations };
}
