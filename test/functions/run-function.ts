/** Code that runs as a function of its own: the library reads its environment when it is loaded. */
import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Test } from 'tap';

/** A module of the library, for an import in the code. */
export const moduleOf = (name: string) =>
  JSON.stringify(pathToFileURL(resolve(import.meta.dirname, `../../functions/src/${name}.ts`)).href);

/** The test runner puts hooks into every Node.js that is started here, and who runs the tests may have settings. */
const PLAIN = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(NODE_|OTEL_|LOG_|K_SINK|MAYFLY_|PORT$|HOST$)/.test(name)),
);

export interface Running {
  process: ChildProcess;
  /** Resolves once it has said this on stdout, with all that it has said. */
  said(pattern: RegExp): Promise<string>;
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }>;
}

/** `through` is what starts it, as `bash -c`. */
export function start(
  t: Test,
  code: string,
  { env = {}, through = [] }: { env?: NodeJS.ProcessEnv; through?: string[] } = {},
): Running {
  const command = [
    ...through,
    'env',
    'NODE_OPTIONS=--disable-warning=ExperimentalWarning',
    process.execPath,
    '--input-type=module',
    '-e',
    code,
  ];
  const child = spawn(command[0]!, command.slice(1), { stdio: ['pipe', 'pipe', 'pipe'], env: { ...PLAIN, ...env } });
  t.teardown(() => child.kill('SIGKILL'));
  let [stdout, stderr] = ['', ''];
  const looks = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
    looks.forEach((look) => look());
  });
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
  const ended = new Promise<Awaited<Running['ended']>>((done) =>
    child.once('close', (code, signal) => done({ code, signal, stdout, stderr })),
  );
  return {
    process: child,
    ended,
    said: (pattern) =>
      new Promise((done, fail) => {
        const look = () => pattern.test(stdout) && done(stdout);
        looks.add(look);
        look();
        void ended.then(() => fail(new Error(`it ended before it said ${pattern}: ${stdout}${stderr}`)));
      }),
  };
}

export const run = (t: Test, code: string, options?: Parameters<typeof start>[2]) => start(t, code, options).ended;
