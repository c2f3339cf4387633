/** Programs that the set-up starts: argument arrays only, the last lines kept for the message when one fails. */
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { InfrastructureError } from './errors.ts';

/** Lines of output that a failure shows. */
export const TAIL_LINES = 20;

export interface RunOptions {
  /** What is being done, for the message of a failure: "building thanos". */
  what: string;
  env: NodeJS.ProcessEnv;
  cwd?: string;
  signal?: AbortSignal | undefined;
  /** Called with every line of stdout and stderr. */
  onLine?: (line: string) => void;
  hint?: string;
}

/**
 * Runs a program to its end and returns its stdout.
 * Throws InfrastructureError with the last lines of its output, and the signal's reason when it is aborted.
 */
export async function run(command: string, args: string[], options: RunOptions): Promise<string> {
  options.signal?.throwIfAborted();
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env,
    signal: options.signal,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stdout: string[] = [];
  const tail: string[] = [];
  const note = (line: string): void => {
    tail.push(line);
    if (tail.length > TAIL_LINES) tail.shift();
    if (line.trim()) options.onLine?.(line);
  };
  createInterface({ input: child.stdout }).on('line', (line) => {
    stdout.push(line);
    note(line);
  });
  createInterface({ input: child.stderr }).on('line', note);
  const end = await new Promise<{ code: number | null; error?: NodeJS.ErrnoException; by?: string | null }>(
    (resolve) => {
      child.on('error', (error) => resolve({ code: null, error }));
      child.on('close', (code, by) => resolve({ code, by }));
    },
  );
  options.signal?.throwIfAborted();
  if (end.code === 0) return stdout.join('\n');
  const reason =
    end.error?.code === 'ENOENT'
      ? `${command} is not installed`
      : end.error
        ? end.error.message
        : end.by
          ? `${command} was ended by ${end.by}`
          : `${command} ended with code ${end.code}`;
  throw new InfrastructureError([`${options.what} failed: ${reason}`, ...tail.map((line) => `  ${line}`)].join('\n'), {
    hint: options.hint ?? 'Run the command again; what is done already is not repeated.',
  });
}

/** Absolute path of a program on the PATH or in the system's folders, or undefined. */
export function which(program: string, env: NodeJS.ProcessEnv): string | undefined {
  const folders = [...(env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  return folders
    .filter(Boolean)
    .map((folder) => join(folder, program))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
