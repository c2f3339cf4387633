import { spawn, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Progress } from '../../scripts/types.ts';

/** Progress that keeps what it is told. */
export function recorder(): { progress: Progress; lines: string[] } {
  const lines: string[] = [];
  const progress: Progress = {
    step: (title) => {
      lines.push(`begin ${title}`);
      return { update: (text) => lines.push(text), done: (text) => lines.push(`done ${title}: ${text}`), fail: () => lines.push(`failed ${title}`) };
    },
    info: (line) => lines.push(line),
    warn: (line) => lines.push(line),
    close: () => {},
  };
  return { progress, lines };
}

/** A port of the loopback that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Runs a program; resolves with its output and exit code, whatever it is. */
export async function outcome(command: string, args: string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  return collect(child);
}

async function collect(child: ChildProcess): Promise<{ code: number | null; stdout: string; stderr: string }> {
  let stdout = '';
  let stderr = '';
  child.stdout!.on('data', (data) => { stdout += data; });
  child.stderr!.on('data', (data) => { stderr += data; });
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}
