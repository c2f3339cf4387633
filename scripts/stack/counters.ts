/**
 * CPU counters of a container, from the kernel: the engine's API answers with the values of its next own reading, up to
 * a second later, even to a one-shot question (measured).
 */
import { readdir, readFile } from 'node:fs/promises';
import { InfrastructureError } from '../core/errors.ts';
import { processStart } from '../engine/owner.ts';

/** Cumulative counters of a container at one moment. */
export interface ContainerCpu {
  cpuSeconds: number;
  cfsPeriods: number;
  cfsThrottledPeriods: number;
}

/** A container and the files in which the kernel counts for it. */
export interface Counted {
  id: string;
  files: CgroupFiles;
  /** Of one that the harness ended or started anew: what it had used before. It counts on from there. */
  before?: ContainerCpu;
  /** Of one that the harness is ending: its last reading, for when there is none any more. */
  last?: ContainerCpu;
}

export type CgroupFiles = { version: 2; cpuStat: string } | { version: 1; usage: string; cpuStat: string };

/**
 * Finds the counters of a container by the process id of its init; null when that process is not (or no longer) on this
 * host. Throws InfrastructureError where it is and its counters cannot be read: a run would count 0 seconds of CPU.
 */
export async function findCounters(id: string, pid: number): Promise<Counted | null> {
  const text = await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => null);
  if (text === null) return null;
  const files = cgroupFiles(text);
  await mustBeReadable(files, pid);
  return { id, files };
}

/** Where the process is there. */
export async function mustBeReadable(files: CgroupFiles, pid: number): Promise<void> {
  if ((await readCounters(files)) === null && processStart(pid) !== null)
    throw new InfrastructureError(`the CPU counters of a container cannot be read: ${files.cpuStat} is not there`, {
      hint: "Where Mayfly runs in a container, it needs the host's control groups: --cgroupns=host --volume=/sys/fs/cgroup:/sys/fs/cgroup:ro.",
    });
}

/**
 * Paths of the counters, from /proc/<pid>/cgroup (cgroups(7)): `0::<path>` in version 2, `<n>:cpu,cpuacct:<path>` in
 * version 1.
 */
export function cgroupFiles(procCgroup: string): CgroupFiles {
  const lines = procCgroup
    .trim()
    .split('\n')
    .map((line) => line.split(':'));
  const of = (controller: string) => lines.find(([, controllers]) => controllers?.split(',').includes(controller));
  const [cpu, cpuacct] = [of('cpu'), of('cpuacct')];
  if (cpu && cpuacct) {
    const folder = (line: string[]) => `/sys/fs/cgroup/${line[1]}${line.slice(2).join(':')}`;
    return { version: 1, usage: `${folder(cpuacct)}/cpuacct.usage`, cpuStat: `${folder(cpu)}/cpu.stat` };
  }
  const unified = lines.find(([number]) => number === '0');
  return { version: 2, cpuStat: `/sys/fs/cgroup${unified?.slice(2).join(':') ?? ''}/cpu.stat` };
}

/** The same of one that the harness may have ended or started anew: all of its lives. */
export async function readCounted({ files, before, last }: Counted): Promise<ContainerCpu | null> {
  const now = (await readCounters(files)) ?? last;
  return now && before ? addCounters(now, before) : (now ?? before ?? null);
}

/** Of several lives of one container. */
export const addCounters = (one: ContainerCpu, other: ContainerCpu): ContainerCpu => ({
  cpuSeconds: one.cpuSeconds + other.cpuSeconds,
  cfsPeriods: one.cfsPeriods + other.cfsPeriods,
  cfsThrottledPeriods: one.cfsThrottledPeriods + other.cfsThrottledPeriods,
});

/** The counters of one container, or null when it has ended. */
export async function readCounters(files: CgroupFiles): Promise<ContainerCpu | null> {
  try {
    const stat = parseCpuStat(await readFile(files.cpuStat, 'utf8'));
    const cpuSeconds =
      files.version === 1 ? Number(await readFile(files.usage, 'utf8')) / 1e9 : (stat.usage_usec ?? 0) / 1e6;
    return { cpuSeconds, cfsPeriods: stat.nr_periods ?? 0, cfsThrottledPeriods: stat.nr_throttled ?? 0 };
  } catch {
    return null;
  }
}

function parseCpuStat(text: string): Record<string, number> {
  return Object.fromEntries(
    text
      .trim()
      .split('\n')
      .map((line) => line.split(' '))
      .map(([key, value]) => [key, Number(value)]),
  );
}

/** Ids of all threads of a container, on this host; `pid`: its init. None of one that has ended. */
export async function threadsOf(pid: number): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const processes = [pid, ...children.trim().split(' ').filter(Boolean).map(Number)];
  return (await Promise.all(processes.map((one) => readdir(`/proc/${one}/task`).catch(() => [])))).flat().map(Number);
}
