import type { CpuSets } from '../types.ts';

/** Below this many cores the parts of a run share them: one core for each would starve the services. */
const CORES_TO_SPLIT = 4;

/**
 * Disjoint CPU sets for the metrics stack, the load generator and the services under test.
 * One core in eight (at least one) for the metrics, one in four (at least one) for the generator, the rest for the services.
 * Null everywhere where the host has fewer than four cores.
 */
export function planCpuSets(cores: number): CpuSets {
  if (cores < CORES_TO_SPLIT) return { services: null, loadgen: null, metrics: null };
  const metrics = Math.max(1, Math.floor(cores / 8));
  const loadgen = Math.max(1, Math.floor(cores / 4));
  return { metrics: range(0, metrics), loadgen: range(metrics, loadgen), services: range(metrics + loadgen, cores - metrics - loadgen) };
}

/** Number of CPUs in a set as planCpuSets writes it; `cores` where there is no set. */
export function cpuCount(set: string | null, cores: number): number {
  if (set === null) return cores;
  const [first, last] = set.split('-').map(Number);
  return last === undefined ? 1 : last - first! + 1;
}

const range = (from: number, count: number) => (count === 1 ? String(from) : `${from}-${from + count - 1}`);
