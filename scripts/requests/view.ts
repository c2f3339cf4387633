/**
 * Reads the requests of a run (docs/requests.md) in a process of their own: a second of work for a million of them, and
 * a file that was made to use up memory or time ends that process and nothing else. A thread would not do: V8 ends a
 * whole process over one allocation that is too large.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InfrastructureError } from '../core/errors.ts';
import { RequestsFault } from './limits.ts';
import type { Answer, Question } from './read-process.ts';
import type { RequestsPart, Tasks } from './tasks.ts';

export type { DisturbedFigures } from './disturbed.ts';
export type * from './tasks.ts';
export { RequestsFault };

/** Folder in a run's folder with a file for each of its rounds. */
export const REQUESTS_FOLDER = 'requests';
const FILE = /^round-([1-9]\d{0,5})\.parquet$/;
export const requestsFile = (runDir: string, round: number) => join(runDir, REQUESTS_FOLDER, `round-${round}.parquet`);
/** The round of such a file; null for another one. */
export const roundOfFile = (name: string): number | null => Number(FILE.exec(name)?.[1] ?? NaN) || null;

/** Of the process, without the arrays of the values. */
const MOST_HEAP_MB = 512;
/** A question may take so long: in all, and for each megabyte of its files. */
const LIMIT_MS = 60_000;
const LIMIT_MS_A_MB = 2_000;
/** Those of scripts/setup/v8.cjs, which says why. */
const FLAGS = [
  '--disable-warning=ExperimentalWarning',
  '--no-maglev',
  '--no-concurrent-sparkplug',
  `--max-old-space-size=${MOST_HEAP_MB}`,
];

/** Disposing ends its process, which begins with the first question. */
export type RequestsReader = Tasks & AsyncDisposable;

/**
 * One question at a time is worked on. Files that take too much time or memory are answered with a RequestsFault, and
 * the next question gets a new process.
 */
export function requestsReader({ limitMs = LIMIT_MS } = {}): RequestsReader {
  let process: ChildProcess | null = null;
  let count = 0;
  let turn: Promise<unknown> = Promise.resolve();
  const end = async () => {
    const old = process;
    process = null;
    if (old && old.exitCode === null && old.signalCode === null) {
      old.kill('SIGKILL');
      await once(old, 'exit');
    }
  };
  const ask = async (task: keyof Tasks, args: unknown[], parts: readonly RequestsPart[]): Promise<any> => {
    const bytes = (
      await Promise.all(
        parts.map(({ file }) =>
          stat(file).then(
            ({ size }) => size,
            () => 0,
          ),
        ),
      )
    ).reduce((sum, size) => sum + size, 0);
    if (process === null || process.exitCode !== null || process.signalCode !== null) process = begin();
    const { answer, error } = await answerOf(
      process,
      { number: ++count, task, args },
      limitMs + (bytes / 1e6) * LIMIT_MS_A_MB,
    ).catch(async (failure) => {
      await end();
      throw failure;
    });
    if (error)
      throw error.fault
        ? new RequestsFault(error.message)
        : new InfrastructureError(`the requests could not be read: ${error.message}`);
    return answer;
  };
  const inTurn = (task: keyof Tasks, args: unknown[], parts: readonly RequestsPart[]) => {
    const mine = turn.then(() => ask(task, args, parts));
    turn = mine.catch(() => {});
    return mine;
  };
  return {
    check: (part) => inTurn('check', [part], [part]),
    summary: (parts, shares) => inTurn('summary', [parts, shares], parts),
    picture: (parts, shares) => inTurn('picture', [parts, shares], parts),
    join: (parts, out) => inTurn('join', [parts, out], parts),
    disturbed: (part, sides, windowS) => inTurn('disturbed', [part, sides, windowS], [part]),
    [Symbol.asyncDispose]: end,
  };
}

/** It gets nothing of the environment: no key, no token. */
function begin(): ChildProcess {
  const { NODE_COMPILE_CACHE } = globalThis.process.env;
  return fork(join(import.meta.dirname, 'read-process.ts'), {
    execArgv: FLAGS,
    env: NODE_COMPILE_CACHE ? { NODE_COMPILE_CACHE } : {},
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
}

function answerOf(process: ChildProcess, question: Question, limitMs: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const listeners = {
      message: (answer: Answer) => answer.number === question.number && settle(() => resolve(answer)),
      error: (error: Error) =>
        settle(() => reject(new InfrastructureError(`the requests could not be read: ${error.message}`))),
      // SIGABRT is V8's: out of memory. Whoever else has ended it, it was not the file.
      exit: (code: number | null, signal: string | null) =>
        settle(() =>
          reject(
            signal === 'SIGABRT' || code === 134
              ? new RequestsFault(`needs more than ${MOST_HEAP_MB} MB of memory to be read`)
              : new InfrastructureError(
                  `the process that reads the requests was ended (${signal ?? `exit code ${code}`})`,
                ),
          ),
        ),
    };
    const timer = setTimeout(
      () => settle(() => reject(new RequestsFault(`could not be read in ${Math.ceil(limitMs / 1000)} s`))),
      limitMs,
    );
    const settle = (how: () => void) => {
      clearTimeout(timer);
      for (const [event, listener] of Object.entries(listeners)) process.off(event, listener);
      how();
    };
    for (const [event, listener] of Object.entries(listeners)) process.on(event, listener);
    process.send(question, (error) => error && listeners.error(error));
  });
}
