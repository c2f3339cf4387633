/** Packages of Debian and its relatives, for the user root. */

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../core/exec.ts';
import type { ProgressStep } from '../core/progress.ts';

/** What decides whether the set-up may install packages itself. */
export interface System {
  root: boolean;
  debian: boolean;
  systemd: boolean;
}

const LOCK_DEADLINE_MS = 300_000;

/** True for Debian and its relatives, by the text of /etc/os-release. */
export function isDebian(osRelease: string): boolean {
  return /^(ID|ID_LIKE)=.*\b(debian|ubuntu)\b/m.test(osRelease);
}

export function thisSystem(): System {
  return {
    root: process.getuid?.() === 0,
    debian: isDebian(read('/etc/os-release') ?? ''),
    systemd: read('/proc/1/comm')?.trim() === 'systemd',
  };
}

/** Installs packages without their recommendations; waits while another program holds the package system's lock. */
export async function aptInstall(
  packages: string[],
  options: { env: NodeJS.ProcessEnv; step: ProgressStep; signal?: AbortSignal | undefined },
): Promise<void> {
  await apt(['update', '-q'], options);
  await apt(['install', '-y', '-q', '--no-install-recommends', ...packages], options);
}

/** The version that would be installed, or undefined where there is no such package. */
export async function aptCandidate(name: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const policy = await run('apt-cache', ['policy', name], {
    what: `looking for the package ${name}`,
    env: { ...env, LC_ALL: 'C' },
  });
  const version = /Candidate: (\S+)/.exec(policy)?.[1];
  return version === '(none)' ? undefined : version;
}

async function apt(
  args: string[],
  options: { env: NodeJS.ProcessEnv; step: ProgressStep; signal?: AbortSignal | undefined },
): Promise<void> {
  const deadline = Date.now() + LOCK_DEADLINE_MS;
  for (;;) {
    try {
      await run('apt-get', args, {
        what: `apt-get ${args[0]}`,
        env: { ...options.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
        signal: options.signal,
        onLine: (line) => options.step.update(line),
      });
      return;
    } catch (error) {
      if (!/Could not get lock|Unable to lock|Unable to acquire the dpkg/.test(String(error)) || Date.now() > deadline)
        throw error;
      options.step.update('another program uses the package system; waiting for it');
      await sleep(1000, undefined, { signal: options.signal });
    }
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
