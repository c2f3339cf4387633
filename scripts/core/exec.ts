/**
 * The one way in which a program is run to its end: arguments as an array, in a process group of its own (a Ctrl-C in
 * the terminal reaches Mayfly alone, which ends what it has started), with a limit on what is kept of its output. The
 * only file that knows zx.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { $ } from 'zx/core';
import { InfrastructureError } from './errors.ts';

/** Lines of output that a failure shows. */
export const TAIL_LINES = 20;
const LINE_LENGTH = 2000;
/** As a shell ends where there is no such program. */
const NO_PROGRAM = 127;

export interface ExecOptions {
  env: NodeJS.ProcessEnv;
  cwd?: string | undefined;
  /** Ends the program; its reason is thrown. */
  signal?: AbortSignal | undefined;
  /** Ends the program after so many minutes. */
  minutes?: number | undefined;
  /** Called with every line of stdout and stderr that is not empty. */
  onLine?: ((line: string) => void) | undefined;
  /** Its whole output is not kept: one that prints without end fills no memory. */
  linesOnly?: boolean;
}

export interface Ended {
  exitCode: number;
  /** What ended it; null where it ended by itself. */
  signal: string | null;
  seconds: number;
  /** Empty where only lines were asked for. */
  stdout: string;
  stderr: string;
  /** The last lines of both, indented. */
  tail: string;
}

/**
 * Runs a program, whatever its exit code, 127 where there is no such program. A signal that is aborted, or was, ends it
 * and throws the signal's reason.
 */
export async function execute(argv: readonly string[], options: ExecOptions): Promise<Ended> {
  const { signal, minutes, onLine = () => {} } = options;
  signal?.throwIfAborted();
  const started = performance.now();
  const last = new LastLines(TAIL_LINES, onLine);
  const running = start(argv, options);
  for (const stream of [running.child!.stdout, running.child!.stderr])
    stream?.on('data', (chunk: Buffer) => last.add(chunk));
  const ended = await (minutes ? running.timeout(`${minutes}m`) : running);
  signal?.throwIfAborted();
  return {
    exitCode: ended.exitCode ?? 1,
    signal: ended.signal,
    seconds: (performance.now() - started) / 1000,
    ...(options.linesOnly ? { stdout: '', stderr: '' } : { stdout: ended.stdout, stderr: ended.stderr }),
    tail: last.text(),
  };
}

const start = (argv: readonly string[], { env, cwd, signal, linesOnly }: ExecOptions) =>
  $({
    env,
    ...(cwd === undefined ? {} : { cwd }),
    ...(signal ? { signal } : {}),
    ...(linesOnly ? { store: { stdout: new Nothing(), stderr: new Nothing(), stdall: new Nothing() } } : {}),
    detached: true,
    quiet: true,
    nothrow: true,
  })`${argv}`;

/** Takes what is pushed and forgets it. */
class Nothing extends Array<string | Buffer> {
  override push(): number {
    return 0;
  }
}

/**
 * Runs a program to its end and returns its stdout.
 * Throws InfrastructureError with the last lines of its output, and the signal's reason when it is aborted.
 */
export async function run(
  command: string,
  args: string[],
  options: ExecOptions & {
    /** What is being done, for the message of a failure: "building thanos". */
    what: string;
    hint?: string;
  },
): Promise<string> {
  const { exitCode, signal, stdout, tail } = await execute([command, ...args], options);
  if (exitCode === 0) return stdout.trimEnd();
  const reason =
    exitCode === NO_PROGRAM
      ? `${command} is not installed`
      : signal
        ? `${command} was ended by ${signal}`
        : `${command} ended with code ${exitCode}`;
  throw new InfrastructureError([`${options.what} failed: ${reason}`, tail].filter(Boolean).join('\n'), {
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

/** Keeps the last lines of an output for the message of a failure. */
export class LastLines {
  #lines: string[] = [];
  #rest = '';
  readonly #limit: number;
  readonly #onLine: (line: string) => void;

  constructor(limit: number, onLine: (line: string) => void) {
    this.#limit = limit;
    this.#onLine = onLine;
  }

  add(chunk: Buffer): void {
    const lines = (this.#rest + chunk.toString()).split(/[\r\n]+/);
    this.#rest = (lines.pop() ?? '').slice(-LINE_LENGTH); // a step can print without ever ending a line
    for (const line of lines.map((l) => l.slice(0, LINE_LENGTH)).filter((l) => l.trim())) {
      this.#lines.push(line);
      this.#onLine(line.trim());
    }
    this.#lines = this.#lines.slice(-this.#limit);
  }

  text(): string {
    return [...this.#lines, this.#rest]
      .filter((line) => line.trim())
      .map((line) => `    ${line}`)
      .join('\n');
  }
}
