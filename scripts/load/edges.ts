/** Cumulative counters at the edges of the measured window: of every container of the run, of the host, of the harness. */
import { readFile } from 'node:fs/promises';
import { InfrastructureError } from '../errors.ts';

/** Cumulative counters of a container at one moment. */
export interface ContainerCpu {
  cpuSeconds: number;
  cfsPeriods: number;
  cfsThrottledPeriods: number;
}

/** CPU time of the whole host since boot, in seconds over all cores. */
export interface HostCpu {
  total: number;
  idle: number;
  steal: number;
}

export interface Edge {
  atMs: number;
  /** By container id; one that has ended has no counters any more. */
  containers: Map<string, ContainerCpu>;
  host: HostCpu;
  /** CPU seconds of this process. */
  harness: number;
}

/** A container and the files in which the kernel counts for it. */
export interface Counted {
  id: string;
  files: CgroupFiles;
}

type CgroupFiles = { version: 2; cpuStat: string } | { version: 1; usage: string; cpuStat: string };

/**
 * Finds the counters of a container by the process id of its init. They are read from the kernel, since the engine's
 * API answers with the values of its next own reading, up to a second later, even to a one-shot question (measured).
 */
export async function findCounters(id: string, pid: number): Promise<Counted> {
  const text = await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => {
    throw new InfrastructureError(`the CPU counters of container ${id.slice(0, 12)} cannot be read: its process ${pid} is not on this host`, { hint: 'Mayfly needs a Docker engine on the same Linux host, not in a virtual machine.' });
  });
  return { id, files: cgroupFiles(text) };
}

/** Paths of the counters, from /proc/<pid>/cgroup (cgroups(7)): `0::<path>` in version 2, `<n>:cpu,cpuacct:<path>` in version 1. */
export function cgroupFiles(procCgroup: string): CgroupFiles {
  const lines = procCgroup.trim().split('\n').map((line) => line.split(':'));
  const of = (controller: string) => lines.find(([, controllers]) => controllers?.split(',').includes(controller));
  const [cpu, cpuacct] = [of('cpu'), of('cpuacct')];
  if (cpu && cpuacct) {
    const folder = (line: string[]) => `/sys/fs/cgroup/${line[1]}${line.slice(2).join(':')}`;
    return { version: 1, usage: `${folder(cpuacct)}/cpuacct.usage`, cpuStat: `${folder(cpu)}/cpu.stat` };
  }
  const unified = lines.find(([number]) => number === '0');
  return { version: 2, cpuStat: `/sys/fs/cgroup${unified?.slice(2).join(':') ?? ''}/cpu.stat` };
}

/** Reads all counters at once. */
export async function readEdge(containers: Counted[]): Promise<Edge> {
  const [read, host] = await Promise.all([Promise.all(containers.map(async ({ id, files }) => [id, await readCounters(files)] as const)), readFile('/proc/stat', 'utf8')]);
  const { user, system } = process.cpuUsage();
  return { atMs: Date.now(), containers: new Map(read.filter((entry): entry is [string, ContainerCpu] => entry[1] !== null)), host: parseProcStat(host), harness: (user + system) / 1e6 };
}

/** The counters of one container, or null when it has ended. */
export async function readCounters(files: CgroupFiles): Promise<ContainerCpu | null> {
  try {
    const stat = parseCpuStat(await readFile(files.cpuStat, 'utf8'));
    const cpuSeconds = files.version === 1 ? Number(await readFile(files.usage, 'utf8')) / 1e9 : (stat.usage_usec ?? 0) / 1e6;
    return { cpuSeconds, cfsPeriods: stat.nr_periods ?? 0, cfsThrottledPeriods: stat.nr_throttled ?? 0 };
  } catch {
    return null;
  }
}

function parseCpuStat(text: string): Record<string, number> {
  return Object.fromEntries(text.trim().split('\n').map((line) => line.split(' ')).map(([key, value]) => [key, Number(value)]));
}

/** The first line of /proc/stat, in ticks of 10 ms: user nice system idle iowait irq softirq steal (proc(5)). Guest time is part of user. */
export function parseProcStat(text: string): HostCpu {
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = text.split('\n')[0]!.trim().split(/\s+/).slice(1).map((ticks) => Number(ticks) / 100);
  return { total: user + nice + system + idle + iowait + irq + softirq + steal, idle: idle + iowait, steal };
}
