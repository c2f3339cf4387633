import type { CpuSets } from '../documents/run.ts';

/** From so many cores on generator and metrics have cores of their own. */
const CORES_TO_SPLIT = 4;

/**
 * Disjoint CPU sets for the metrics stack, the load generator and the services under test. One core in eight (at least
 * one) for the metrics, one in four (at least one) for the generator, the rest for the services. Two and three cores:
 * all but the first for the services, and the rest runs where there is room. Without a set of their own the scheduler
 * keeps one side beside the busy generator for a whole round, where the same work takes up to 12 % more CPU (one round
 * in seven, on two cores: the standard deviation of the ratio of both sides was 3.3 % instead of 0.6 to
 * 1.1 %).
 * Null everywhere where there is one core.
 */
export function planCpuSets(cores: number): CpuSets {
  if (cores < 2) return { services: null, loadgen: null, metrics: null };
  if (cores < CORES_TO_SPLIT) return { metrics: null, loadgen: null, services: range(1, cores - 1) };
  const metrics = Math.max(1, Math.floor(cores / 8));
  const loadgen = Math.max(1, Math.floor(cores / 4));
  return {
    metrics: range(0, metrics),
    loadgen: range(metrics, loadgen),
    services: range(metrics + loadgen, cores - metrics - loadgen),
  };
}

/** Number of CPUs in a set as planCpuSets writes it; `cores` where there is no set. */
export function cpuCount(set: string | null, cores: number): number {
  if (set === null) return cores;
  const [first, last] = set.split('-').map(Number);
  return last === undefined ? 1 : last - first! + 1;
}

const range = (from: number, count: number) => (count === 1 ? String(from) : `${from}-${from + count - 1}`);
