/**
 * Another program that makes load, in a container beside the sides, with its CPU time read as it goes: what ours is
 * held against.
 */
import { setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../../app/context.ts';
import { InfrastructureError } from '../../core/errors.ts';
import type { ContainerSpec } from '../../engine/engine.ts';
import { LABEL, sideNetwork } from '../../engine/names.ts';
import { thisUser } from '../../engine/owner.ts';
import { findCounters, readCounters, threadsOf } from '../../stack/counters.ts';
import type { Sides } from '../../stack/run-stack.ts';
import type { CpuReading } from './figures.ts';

/** That of ours (scripts/measure/load/own-generator.ts). */
const PRIORITY = -15;
const POLL_MS = 25;

export interface Beside {
  stdout: string;
  cpu: CpuReading[];
}

/** Runs it to its end, in the candidate's network, on the cores and with the priority that our own generator has. */
export async function runBeside(
  sides: Sides,
  spec: Pick<ContainerSpec, 'image' | 'cmd' | 'binds' | 'env' | 'entrypoint'> & { name: string },
  ctx: Context,
): Promise<Beside> {
  const { plan, round } = sides;
  const id = await ctx.engine.create({
    ...spec,
    name: `${plan.project}-beside-${spec.name}-${round}`,
    user: thisUser(),
    labels: { ...plan.labels, [LABEL.service]: 'loadgen' },
    networks: [sideNetwork(plan, 'candidate', round)],
    cpuset: plan.cpusets.loadgen,
  });
  const ended = new AbortController();
  try {
    await ctx.engine.start(id);
    const { pid } = await ctx.engine.inspect(id);
    for (const thread of await threadsOf(pid)) raise(thread);
    const reading = readCpu(id, pid, ended.signal);
    const code = await ctx.engine.wait(id, ctx.signal).finally(() => ended.abort());
    const cpu = await reading;
    const { stdout, all } = await ctx.engine.logs(id, 0);
    if (code !== 0)
      throw new InfrastructureError(`${spec.name} ended with exit code ${code}: ${all}`, {
        hint: 'Try again; npm run doctor says whether its image is there.',
      });
    return { stdout, cpu };
  } finally {
    ended.abort();
    await ctx.engine.remove(id);
  }
}

function raise(thread: number): void {
  try {
    setPriority(thread, PRIORITY);
  } catch {
    // not every user may; then ours was not raised either
  }
}

/** Reads the CPU time of a container until the signal. */
export async function readCpu(id: string, pid: number, ended: AbortSignal): Promise<CpuReading[]> {
  const counted = await findCounters(id, pid);
  if (!counted)
    throw new InfrastructureError('the CPU counters of a container cannot be read: its process is not on this host', {
      hint: 'This script needs a Docker engine on the same Linux host, not in a virtual machine.',
    });
  const readings: CpuReading[] = [];
  while (!ended.aborted) {
    const now = await readCounters(counted.files);
    if (now) readings.push({ atMs: performance.timeOrigin + performance.now(), cpuSeconds: now.cpuSeconds });
    await sleep(POLL_MS, undefined, { signal: ended }).catch(() => {});
  }
  return readings;
}
