import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { WorkerName } from '../documents/job.ts';
import { LABEL } from './names.ts';

/**
 * When a process started, in clock ticks since boot; null where there is no such process. A pid alone may have been
 * given again.
 */
export function processStart(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' '); // the command's name may hold spaces
    if (fields[0] === 'Z') return null;
    return fields[19] ?? null;
  } catch {
    return null;
  }
}

/** Whether the process that had this pid at that start time still runs on this host. */
export const isAlive = (pid: number, pidStart: string) => pid > 0 && processStart(pid) === pidStart;

/**
 * Whether the process of a worker is there; undefined where it is on another host. Who does not see the processes of the
 * host, as in a container, can only say that it is there: `|| undefined`.
 */
export const isWorkerThere = ({ host, pid, pid_start }: WorkerName): boolean | undefined =>
  host === hostname() ? isAlive(pid, pid_start) : undefined;

/** This process, in the form that sweep and push look for. */
export const thisProcess = () => ({
  pid: process.pid,
  pidStart: processStart(process.pid) ?? '',
  hostname: hostname(),
});

/**
 * Labels of an object on the engine that this process owns under an id: by them sweep tells what a dead process has
 * left.
 */
export const ownerLabels = (id: string): Record<string, string> => ({ [LABEL.run]: id, ...processLabels() });

/** The part of them that says whose it is. */
export function processLabels(): Record<string, string> {
  const { pid, pidStart, hostname } = thisProcess();
  return { [LABEL.pid]: String(pid), [LABEL.pidStart]: pidStart, [LABEL.hostname]: hostname };
}

/** The user of this process, as a container's user: what it writes to a folder of this host is the user's own. */
export const thisUser = () => `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`;

/** Beginning of the name of a temporary folder in the cache: the sweep removes it when the process is gone. */
export const temporaryPrefix = (purpose: string) => `temporary-${process.pid}-${processStart(process.pid)}-${purpose}-`;
