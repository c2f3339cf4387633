/** Cumulative counters at the edges of the measured window: of every container of the run, of the host, of the harness. */
import { readFile } from 'node:fs/promises';
import type { Engine, ContainerStats } from '../stack/engine.ts';

/** CPU time of the whole host since boot, in seconds over all cores. */
export interface HostCpu {
  total: number;
  idle: number;
  steal: number;
}

export interface Edge {
  atMs: number;
  containers: Map<string, ContainerStats>;
  host: HostCpu;
  /** CPU seconds of this process. */
  harness: number;
}

/** Reads all counters at once; a container that has ended is left out. */
export async function readEdge(engine: Engine, ids: string[]): Promise<Edge> {
  const [stats, host] = await Promise.all([
    Promise.all(ids.map(async (id): Promise<[string, ContainerStats] | null> => {
      try {
        return [id, await engine.stats(id)];
      } catch {
        return null;
      }
    })),
    readHostCpu(),
  ]);
  const { user, system } = process.cpuUsage();
  return { atMs: Date.now(), containers: new Map(stats.filter((entry) => entry !== null)), host, harness: (user + system) / 1e6 };
}

async function readHostCpu(): Promise<HostCpu> {
  return parseProcStat(await readFile('/proc/stat', 'utf8'));
}

/** The first line of /proc/stat, in ticks of 10 ms: user nice system idle iowait irq softirq steal (proc(5)). Guest time is part of user. */
export function parseProcStat(text: string): HostCpu {
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = text.split('\n')[0]!.trim().split(/\s+/).slice(1).map((ticks) => Number(ticks) / 100);
  return { total: user + nice + system + idle + iowait + irq + softirq + steal, idle: idle + iowait, steal };
}
