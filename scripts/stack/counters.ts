/**
 * CPU counters of a container, from the kernel: the engine's API answers with the values of its next own reading, up to
 * a second later, even to a one-shot question (measured).
 */
import { readdir, readFile } from 'node:fs/promises';

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
}

export type CgroupFiles = { version: 2; cpuStat: string } | { version: 1; usage: string; cpuStat: string };

/**
 * Finds the counters of a container by the process id of its init; null when that process is not (or no longer) on this
 * host.
 */
export async function findCounters(id: string, pid: number): Promise<Counted | null> {
  const text = await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => null);
  return text === null ? null : { id, files: cgroupFiles(text) };
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
