/**
 * Cumulative counters at the edges of the measured window: of every container of the run, of the host, of the harness.
 */
import { readFile } from 'node:fs/promises';
import { type ContainerCpu, type Counted, readCounted } from '../../stack/counters.ts';

/** CPU time of the whole host since boot, in seconds over all cores. */
export interface HostCpu {
  total: number;
  idle: number;
  steal: number;
}

/** A moment by the wall clock, milliseconds since the epoch, and by one that nobody can set. */
export interface Moment {
  atMs: number;
  steadyMs: number;
}

export const thisMoment = (): Moment => ({ atMs: Date.now(), steadyMs: performance.now() });

/** Milliseconds by which the wall clock was set between two moments; below 0: back. Pure. */
export const clockSetBy = (from: Moment, to: Moment): number => to.atMs - from.atMs - (to.steadyMs - from.steadyMs);

/** When it will be `atMs` by the wall clock, as it went at that moment, on the clock that nobody can set. Pure. */
export const steadyAt = (moment: Moment, atMs: number): number => moment.steadyMs + (atMs - moment.atMs);

export interface Edge extends Moment {
  /** By container id; one that has ended has no counters any more, but for what the harness itself has ended. */
  containers: Map<string, ContainerCpu>;
  host: HostCpu;
  /** CPU seconds of this process. */
  harness: number;
}

/** Reads all counters at once. */
export async function readEdge(containers: Counted[]): Promise<Edge> {
  const [read, host] = await Promise.all([
    Promise.all(containers.map(async (one) => [one.id, await readCounted(one)] as const)),
    readFile('/proc/stat', 'utf8'),
  ]);
  const { user, system } = process.cpuUsage();
  return {
    ...thisMoment(),
    containers: new Map(read.filter((entry): entry is [string, ContainerCpu] => entry[1] !== null)),
    host: parseProcStat(host),
    harness: (user + system) / 1e6,
  };
}

/**
 * The first line of /proc/stat, in ticks of 10 ms: user nice system idle iowait irq softirq steal (proc(5)). Guest time
 * is part of user.
 */
export function parseProcStat(text: string): HostCpu {
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = text
    .split('\n')[0]!
    .trim()
    .split(/\s+/)
    .slice(1)
    .map((ticks) => Number(ticks) / 100);
  return { total: user + nice + system + idle + iowait + irq + softirq + steal, idle: idle + iowait, steal };
}
