/** The container of any other load generator, as a value: one for each side. */
import type { ContainerSpec } from '../stack/engine.ts';
import { LABEL, sideTarget } from '../plan/names.ts';
import type { Plan } from '../plan/plan.ts';
import type { SideName } from '../types.ts';

/** Name of a generator's container, which is also its name for Prometheus. */
export const generatorName = (plan: Plan, side: SideName, round: number, phase: 'warmup' | 'measure') => `${plan.project}-load-${side}-${round}-${phase}`;

/** It gets RATE (requests per second), DURATION (seconds with the unit, 20s) and TARGET (URL). */
export function generatorContainer(plan: Plan, side: SideName, round: number, phase: 'warmup' | 'measure'): ContainerSpec {
  const { load } = plan.config;
  if (load.generator.kind !== 'image') throw new TypeError('the load generator is k6');
  const seconds = phase === 'warmup' ? load.warmupS : load.durationS;
  const env = {
    RATE: String(load.rate),
    DURATION: `${seconds}s`,
    TARGET: sideTarget(load.target, side),
    VUS: String(load.vus),
    SIDE: side,
    ROUND: String(round),
    PHASE: phase,
    REMOTE_WRITE_URL: 'http://prometheus.control:9090/api/v1/write',
  };
  return {
    name: generatorName(plan, side, round, phase),
    image: load.generator.image,
    cmd: load.generator.command.map((word) => word.replace(/\$\{(\w+)\}/g, (whole, name: string) => (env as Record<string, string>)[name] ?? whole)),
    env,
    labels: { ...plan.labels, [LABEL.service]: 'k6', [LABEL.round]: String(round) },
    binds: [`${plan.config.dir}:/benchmark:ro`],
    networks: [plan.networks.control, plan.networks[side]!],
    cpuset: plan.cpusets.loadgen,
    memoryBytes: Math.floor(plan.host.memory_bytes / 2),
  };
}
