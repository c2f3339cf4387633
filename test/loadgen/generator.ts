/** The real generator as a child process, and servers of known answers for it to load. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Test } from 'tap';
import { type LoadPlan, type Model, PLAN_VARIABLE } from '../../loadgen/plan.ts';
import { type LoadEvent, type LoadResultDocument, REQUESTS_FILE, type SideResult } from '../../loadgen/result.ts';
import { readRequests } from '../../scripts/requests/read-file.ts';

/** What lies in the benchmark's folder: path -> content. */
export type Files = Record<string, string | Uint8Array>;

/** A folder with these files, removed at the end of the test. */
export function folder(t: Test, files: Files): string {
  const made = mkdtempSync(join(tmpdir(), 'mayfly-loadgen-'));
  t.teardown(() => rmSync(made, { recursive: true, force: true }));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(made, path)), { recursive: true });
    writeFileSync(join(made, path), content);
  }
  return made;
}

export const open = (rate: number, durationS: number): Model => ({
  kind: 'open',
  arrivals: 'constant',
  rate,
  durationS,
});
export const closed = (users: number, iterations: number, thinkS = 0, limitS = 30): Model => ({
  kind: 'closed',
  users,
  iterations,
  thinkS,
  limitS,
});

/** A plan against these URLs: one is the candidate's, two are candidate and baseline. */
export function planFor(urls: string[], given: Partial<LoadPlan> = {}): LoadPlan {
  return {
    schema: 'mayfly.load-plan/v1',
    script: 'load.ts',
    target: 'http://shop:8080',
    sides: urls.map((url, i) => ({ name: i === 0 ? 'candidate' : 'baseline', url, commit: 'ab'[i]!.repeat(40) })),
    model: open(50, 0.4),
    warmupS: 0,
    gapS: 0.05,
    maxInFlight: 1000,
    timeoutS: 10,
    workers: 1,
    seed: 5,
    round: 1,
    keepRows: 100_000,
    metrics: null,
    waitForGo: false,
    labels: { run_id: '01K0000000000000000000000A', benchmark: 'shop' },
    warmS: 0.05,
    ...given,
  };
}

export interface Ended {
  code: number | null;
  events: LoadEvent[];
  stdout: string;
  stderr: string;
  /** The benchmark's folder, with the results in `result`. */
  dir: string;
  /** The most memory that it had, bytes. */
  peakBytes: number;
  /** Milliseconds since the epoch at which an event came. */
  atMs: Map<LoadEvent['event'], number>;
}

export interface Started {
  pid: number;
  /** The event, once it has come; the test fails where the generator ends without it. */
  event<Name extends LoadEvent['event']>(name: Name): Promise<Extract<LoadEvent, { event: Name }>>;
  kill(signal: NodeJS.Signals): void;
  ended: Promise<Ended>;
}

/**
 * Without the two compilers that may keep Node.js 24 from ending (scripts/setup/v8.cjs); compiled code is shared with
 * other tests.
 */
const FLAGS = ['--disable-warning=ExperimentalWarning', '--no-maglev', '--no-concurrent-sparkplug'];
const CACHE = join(import.meta.dirname, '../../node_modules/.cache/node');
const MAIN = join(import.meta.dirname, '../../loadgen/main.ts');

/**
 * Writes the benchmark's folder and starts the generator for it; it is ended with the test. `files`: a text is the
 * script.
 */
export function start(t: Test, files: string | Files, plan: LoadPlan, mode: 'run' | 'check' = 'run'): Started {
  const dir = folder(t, typeof files === 'string' ? { 'load.ts': files } : files);
  const env = {
    PATH: process.env.PATH,
    NODE_COMPILE_CACHE: CACHE,
    [PLAN_VARIABLE]: JSON.stringify(plan),
    MAYFLY_BENCHMARK_FOLDER: dir,
    MAYFLY_RESULT_FOLDER: join(dir, 'result'),
  };
  const child = spawn(process.execPath, [...FLAGS, MAIN, mode], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  const out = {
    stdout: '',
    stderr: '',
    events: [] as LoadEvent[],
    peakBytes: 0,
    atMs: new Map<LoadEvent['event'], number>(),
  };
  const waiting = new Set<() => void>();
  const wake = () => waiting.forEach((one) => one());
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out.stdout += text;
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      const event = JSON.parse(line) as LoadEvent; // whatever is on standard output is an event
      out.events.push(event);
      out.atMs.set(event.event, Date.now());
    }
    wake();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (out.stderr += text));
  const watching = setInterval(() => (out.peakBytes = Math.max(out.peakBytes, peakOf(child.pid!))), 20);
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject).once('close', (code) => {
      clearInterval(watching);
      resolve({ code, dir, ...out });
      wake();
    });
  });
  const event: Started['event'] = (name) =>
    new Promise((resolve, reject) => {
      const look = () => {
        const found = out.events.find((one) => one.event === name);
        if (!found && child.exitCode === null && child.signalCode === null) return;
        waiting.delete(look);
        if (found) resolve(found as any);
        else reject(new Error(`the generator ended without ${name}: ${out.stdout}${out.stderr}`));
      };
      waiting.add(look);
      look();
    });
  return { pid: child.pid!, event, kill: (signal) => child.kill(signal), ended };
}

/** VmHWM: the most physical memory that a process has had (proc_pid_status(5)). */
export function peakOf(pid: number): number {
  try {
    return 1024 * Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0; // it has ended
  }
}

/** One of the requests that were kept. */
export interface KeptRequest {
  due: number;
  startLag: number;
  latency: number;
  side: string;
  pair: number;
  name: string;
  status: number;
  failure: string | null;
}

export interface Measured extends Ended {
  result: LoadResultDocument;
  sides: SideResult[];
  rows: KeptRequest[];
  window: { startMs: number; endMs: number };
}

/** Runs the generator to its end and reads what it has left. */
export async function measure(t: Test, files: string | Files, plan: LoadPlan): Promise<Measured> {
  return measured(t, await start(t, files, plan).ended);
}

export async function measured(t: Test, ended: Ended): Promise<Measured> {
  const { events, dir, stdout, stderr } = ended;
  t.same(
    events.map(({ event }) => event),
    ['ready', 'window', 'ended', 'result'],
    `${stdout}${stderr}`,
  );
  t.equal(ended.code, 0);
  const { result } = events.find((one) => one.event === 'result')!;
  const { rows } = await readRequests(join(dir, 'result', REQUESTS_FILE));
  const kept = Array.from(
    rows.due,
    (due, i): KeptRequest => ({
      due,
      startLag: rows.startLag[i]!,
      latency: rows.latency[i]!,
      side: rows.sides[rows.side[i]!]!,
      pair: rows.pair[i]!,
      name: rows.names[rows.name[i]!]!,
      status: rows.status[i]!,
      failure: rows.failure[i] === 0 ? null : rows.failures[rows.failure[i]! - 1]!,
    }),
  );
  return { ...ended, result, sides: result.sides, rows: kept, window: result.window };
}

/** What it says of a script that cannot be used. */
export async function faultOf(
  t: Test,
  files: string | Files,
  given: Partial<LoadPlan> = {},
  mode: 'run' | 'check' = 'check',
): Promise<{ message: string; hint?: string; kind: string; code: number | null }> {
  const { code, events, stdout, stderr } = await start(
    t,
    files,
    planFor(['http://127.0.0.1:1', 'http://127.0.0.1:1'], given),
    mode,
  ).ended;
  const fault = events.find((one) => one.event === 'fault');
  if (!fault) throw new Error(`no fault, exit code ${code}: ${stdout}${stderr}`);
  return { ...fault, code };
}

/** A server's URL; it is closed with the test. */
export async function listening(
  t: Test,
  server: Server & { closeAllConnections?(): void },
  scheme = 'http',
): Promise<string> {
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections?.();
  });
  return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export const serve = (t: Test, answer: RequestListener): Promise<string> => listening(t, createServer(answer));

/** A request as a server saw it. */
export interface Seen {
  method: string;
  path: string;
  body: string;
  headers: NodeJS.Dict<string | string[]>;
  /** Milliseconds since the epoch. */
  atMs: number;
}

/** A server that remembers what it is asked, and answers 200 with `ok`. */
export async function remember(t: Test): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const url = await serve(t, (request, response) => {
    const atMs = Date.now();
    let body = '';
    request
      .setEncoding('utf8')
      .on('data', (text) => (body += text))
      .on('end', () => {
        seen.push({ method: request.method!, path: request.url!, body, headers: request.headers, atMs });
        response.end('ok');
      });
  });
  return { url, seen };
}

/** Quantile by the definition that the results use, from all values (type 7 of Hyndman and Fan, 1996). */
export function quantileOf(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)]!;
  return low + (at % 1) * ((sorted[Math.ceil(at)] ?? low) - low);
}

/** An authority of the test's own, and a key and a certificate by it for the host `shop`. */
export function certificates(t: Test): { ca: string; key: string; cert: string } {
  const dir = folder(t, { 'shop.ext': 'subjectAltName=DNS:shop' });
  const openssl = (command: string) => execFileSync('openssl', command.split(' '), { cwd: dir, stdio: 'pipe' });
  openssl(
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=authority',
  );
  openssl('req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout shop.key -out shop.csr -subj /CN=shop');
  openssl('x509 -req -in shop.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out shop.pem -days 2 -extfile shop.ext');
  const read = (file: string) => readFileSync(join(dir, file), 'utf8');
  return { ca: read('ca.pem'), key: read('shop.key'), cert: read('shop.pem') };
}

export const failuresOf = ({ failures }: SideResult): Record<string, number> =>
  Object.fromEntries(failures.map(({ kind, detail, count }) => [`${kind} ${detail}`.trim(), count]));
export const countsOf = ({ names }: SideResult): Record<string, number> =>
  Object.fromEntries(names.map(({ name, requests }) => [name, requests]));
