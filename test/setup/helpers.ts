import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Progress } from '../../scripts/core/progress.ts';

export { freePort } from '../../scripts/archive/archives.ts';

/** Progress that keeps what it is told. */
export function recorder(): { progress: Progress; lines: string[] } {
  const lines: string[] = [];
  const progress: Progress = {
    step: (title) => {
      lines.push(`begin ${title}`);
      return {
        update: (text) => lines.push(text),
        done: (text) => lines.push(`done ${title}: ${text}`),
        fail: () => lines.push(`failed ${title}`),
      };
    },
    info: (line) => lines.push(line),
    warn: (line) => lines.push(line),
    close: () => {},
  };
  return { progress, lines };
}

/** Runs a program; resolves with its output and exit code, whatever it is. */
export async function outcome(
  command: string,
  args: string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  return collect(child);
}

async function collect(child: ChildProcess): Promise<{ code: number | null; stdout: string; stderr: string }> {
  let stdout = '';
  let stderr = '';
  child.stdout!.on('data', (data) => {
    stdout += data;
  });
  child.stderr!.on('data', (data) => {
    stderr += data;
  });
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}
