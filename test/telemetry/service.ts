import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const FIXTURES = resolve(import.meta.dirname, '../fixtures/telemetry');

/** The library, for the code of runService(). */
export const LIBRARY = pathToFileURL(resolve(import.meta.dirname, '../../telemetry/src/index.ts')).href;

export const fixture = (name: string) => join(FIXTURES, name);

const { NODE_COMPILE_CACHE: _, ...PLAIN } = process.env;

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `code` as a service of its own, with the names of the library; `through` is what starts it, as `bash -c`. */
export async function runService(
  code: string,
  { env = {}, through = [], flags = [] }: { env?: NodeJS.ProcessEnv; through?: string[]; flags?: string[] } = {},
): Promise<Outcome> {
  const text = `import { start, stop, startDuration, stopDuration, time, sample } from ${JSON.stringify(LIBRARY)};\n${code}`;
  // The test runner puts hooks into every Node.js that is started here: they write files of their own.
  const command = [
    ...through,
    'env',
    'NODE_OPTIONS=--disable-warning=ExperimentalWarning',
    process.execPath,
    ...flags,
    '--input-type=module',
    '-e',
    text,
  ];
  const child = spawn(command[0]!, command.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...PLAIN, MAYFLY_TELEMETRY: '', ...env },
  });
  const texts = [child.stdout, child.stderr].map(async (stream) => Buffer.concat(await stream.toArray()).toString());
  const status = await new Promise<number | null>((done) => child.once('close', done));
  return { code: status, stdout: await texts[0]!, stderr: await texts[1]! };
}
