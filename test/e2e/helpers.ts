/** What the stories share: a benchmark of the probe service, the commands as a user runs them, and the leak check. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { ulid } from 'ulid';
import { stringify } from 'yaml';
import { freePort } from '../../scripts/archive/archives.ts';
import { isBlockName } from '../../scripts/archive/blocks.ts';
import type { RunDocument } from '../../scripts/documents/run.ts';
import { type ContainerSummary, connectEngine } from '../../scripts/engine/engine.ts';
import { isAlive } from '../../scripts/engine/owner.ts';
import { engineSocket } from '../../scripts/engine/socket.ts';
import { IMAGES } from '../../scripts/images/images.ts';

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const PROBE = join(ROOT, 'test', 'fixtures', 'probe');
const TRIED = join(ROOT, 'node_modules', '.cache', 'mayfly-tests', 'load-scripts');
export const engine = connectEngine(engineSocket(process.env));

/**
 * As that of the shop (benchmarks/shop/compose.yaml): it asks until the service answers, once, and then costs nothing.
 * One that starts Node.js three times a second took most of the CPU of the tests.
 */
const HEALTH = {
  test: [
    'CMD',
    'bash',
    '-c',
    `if [ -e /dev/shm/healthy ]; then exec sleep infinity; fi
trap '' PIPE
until { exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ "$$status" = 200 ]; } 2>&-; do
  [ $$SECONDS -lt 60 ] && sleep 0.05 || exit 1
done
: > /dev/shm/healthy`,
  ],
  interval: '100ms',
  timeout: '24h',
  retries: 1,
};

export interface ProbeOptions {
  mode?: string;
  /** Laid over the service in its Compose file. */
  service?: Record<string, unknown>;
  /** Laid over load, allow and the top of benchmark.yaml. */
  load?: Record<string, unknown>;
  allow?: Record<string, unknown>;
  top?: Record<string, unknown>;
  build?: Record<string, unknown>;
  /** Further services of the same image, each laid over what they share. */
  more?: Record<string, Record<string, unknown>>;
}

/** A benchmark folder of its own around the probe service, short enough for a test; removed at the end of the test. */
export function probeBenchmark(
  t: Test,
  { mode = 'ok', service = {}, load = {}, allow = {}, top = {}, build, more = {} }: ProbeOptions = {},
): string {
  const parent = mkdtempSync(join(tmpdir(), 'mayfly-probe-'));
  t.teardown(() => rmSync(parent, { recursive: true, force: true }));
  const folder = makeFolder(join(parent, 'probe')); // the benchmark's name: one for all, so that its build is found again
  const benchmark = {
    description: 'The probe of the tests',
    build: {
      probe: build ?? { git: { repository: '.', context: 'test/fixtures/probe/service', dockerfile: 'Dockerfile' } },
    },
    services: 'compose.yaml',
    load: {
      script: 'load.ts',
      target: 'http://probe:8080',
      rate: 50,
      duration: '3s',
      warmup: '1s',
      max_in_flight: 100,
      ...load,
    },
    scrape: [{ service: 'probe', port: 8080, path: '/metrics' }],
    rounds: 1,
    // Other work on a test machine must not make a story fail that is about something else: room for requests in
    // flight, rounds measured again, generous limits.
    retries: 3,
    ready_timeout: '60s',
    allow: { start_lag: '2s', outside_load: 1, steal: 1, throttled: 1, saturation: 1, ...allow },
    ...top,
  };
  const compose = {
    services: {
      probe: {
        image: '${MAYFLY_IMAGE_PROBE}',
        environment: { MODE: mode },
        healthcheck: HEALTH,
        ...service,
      },
      ...Object.fromEntries(
        Object.entries(more).map(([name, laid]) => [
          name,
          { image: '${MAYFLY_IMAGE_PROBE}', healthcheck: HEALTH, ...laid },
        ]),
      ),
    },
  };
  writeFileSync(join(folder, 'benchmark.yaml'), stringify(benchmark));
  writeFileSync(join(folder, 'compose.yaml'), stringify(compose));
  copyFileSync(join(PROBE, 'load.ts'), join(folder, 'load.ts'));
  return folder;
}

/**
 * A git repository with the probe service in as many commits as there are servers given; returns its folder and hashes.
 */
export async function probeRepository(
  t: Test,
  changes: Record<string, string>[],
): Promise<{ folder: string; commits: string[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'mayfly-repo-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const git = (...args: string[]) =>
    run('git', ['-C', folder, '-c', 'user.name=t', '-c', 'user.email=t@example.invalid', ...args]).done;
  await git('init', '--quiet', '--initial-branch=main');
  cpSync(join(PROBE, 'service'), folder, { recursive: true });
  const commits: string[] = [];
  for (const files of changes) {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    await git('add', '--all');
    await git('commit', '--quiet', '--allow-empty', '--message', `change ${commits.length + 1}`);
    commits.push((await git('rev-parse', 'HEAD')).stdout.trim());
  }
  return { folder, commits };
}

/** A data folder of the test's own. */
export function dataFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'mayfly-data-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface Ended {
  code: number | null;
  /** What ended it, where it did not end itself. */
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  seconds: number;
}

export interface Running {
  child: ChildProcess;
  done: Promise<Ended>;
  /** Resolves when the output on stderr matches; rejects when the process ends before. */
  said(pattern: RegExp): Promise<void>;
}

/** The processes that this test file has started: the owner of what a command puts on the engine is one of them. */
const started = new Set<number>();

/** Starts a program. */
export function run(
  command: string,
  args: string[],
  options: { env?: Record<string, string>; cwd?: string; detached?: boolean } = {},
): Running {
  const begun = performance.now();
  const child = spawn(command, args, {
    cwd: options.cwd ?? ROOT,
    env: { ...process.env, ...options.env },
    detached: options.detached ?? false,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (child.pid) started.add(child.pid);
  let stdout = '';
  let stderr = '';
  const waiting: { pattern: RegExp; resolve: () => void; reject: (error: Error) => void }[] = [];
  const check = () => waiting.filter(({ pattern }) => pattern.test(stderr)).forEach(({ resolve }) => resolve());
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
    check();
  });
  const done = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      for (const { pattern, reject: fail } of waiting)
        fail(new Error(`the command ended before it said ${pattern}:\n${stderr}`));
      resolve({ code, signal, stdout, stderr, seconds: (performance.now() - begun) / 1000 });
    });
  });
  const said = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      waiting.push({ pattern, resolve, reject });
      check();
    });
  return { child, done, said };
}

/**
 * A command of Mayfly as `npm run` starts it. A bench measures one commit, whatever branch this checkout is on, unless
 * `args` say what it is compared with.
 */
export function mayfly(entry: string, args: string[], data: string, env: Record<string, string> = {}): Running {
  shareTried(data);
  const alone =
    entry === 'bench' && !args.some((arg) => /^--(against|resume|help)/.test(arg)) ? ['--against=none'] : [];
  return run('sh', ['scripts/run.sh', entry, ...args, ...alone], { env: { MAYFLY_DATA: data, ...env } });
}

/** Runs in this data folder, which is new, share nothing: the first one tries its load script. */
export const knowNothing = (data: string): string => makeFolder(join(data, 'cache', 'load-scripts'));

/** What is known of load scripts is known by their content: the probe's is tried once, not once a story. */
function shareTried(data: string): void {
  const link = join(data, 'cache', 'load-scripts');
  if (existsSync(link)) return;
  mkdirSync(TRIED, { recursive: true });
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync(TRIED, link);
}

/**
 * Waits for a fact about the containers of the run that a command makes in this data folder, and gives what `look`
 * finds.
 * An error where the command ends before: a test that came too late would prove nothing.
 */
export async function seen<T>(
  running: Running,
  data: string,
  what: string,
  look: (containers: ContainerSummary[]) => T | undefined | Promise<T | undefined>,
): Promise<T> {
  let ended: Ended | undefined;
  void running.done.then((end) => (ended = end));
  for (;;) {
    const runs = existsSync(join(data, 'runs')) ? readdirSync(join(data, 'runs')) : [];
    const mine = ({ labels }: ContainerSummary) =>
      // before there is a folder
      runs.includes(labels['dev.mayfly.run']!) || labels['dev.mayfly.pid'] === String(running.child.pid);
    const found = await look((await engine.containers('dev.mayfly.run')).filter(mine));
    if (found !== undefined) return found;
    if (ended) throw new Error(`the command ended before ${what}:\n${ended.stderr}`);
    await sleep(50);
  }
}

/** The load generator of a round, once the window has begun. */
export const inWindow = (running: Running, data: string, round = 1): Promise<ContainerSummary> =>
  seen(running, data, `the window of round ${round}`, async (containers) => {
    const generator = containers.find(
      ({ labels }) => labels['dev.mayfly.service'] === 'loadgen' && labels['dev.mayfly.round'] === String(round),
    );
    const said = generator && (await engine.logs(generator.id, 0).catch(() => null))?.stdout;
    const [, start] = /^\{"event":"window","startMs":([\d.]+)/m.exec(said ?? '') ?? [];
    return start !== undefined && Date.now() > Number(start) ? generator : undefined;
  });

/** npm run bench -- --json of a probe benchmark, to its end. */
export async function bench(
  benchmark: string,
  data: string,
  args: string[] = [],
  env: Record<string, string> = {},
): Promise<Ended & { run: RunDocument }> {
  const ended = await mayfly('bench', [`--benchmark=${benchmark}`, '--json', ...args], data, env).done;
  let document = {} as RunDocument;
  try {
    document = JSON.parse(ended.stdout);
  } catch {
    // the assertion on the exit code shows stderr
  }
  return { ...ended, run: document };
}

/**
 * Tests in this folder run alone; beside all others there may be one that was killed on purpose, whose stack is there
 * until its next command.
 */
const ALONE = process.argv[1]!.startsWith(join(ROOT, 'test', 'e2e'));

/**
 * Names of everything on the engine that a command of Mayfly has left: its process has ended, or it is this one, which
 * runs no command but calls their parts. What another live run has is not meant, nor what another test's command left.
 */
export async function onEngine(): Promise<string[]> {
  const [containers, networks, volumes] = await Promise.all([
    engine.containers('dev.mayfly.run'),
    engine.networks('dev.mayfly.run'),
    engine.volumes('dev.mayfly.run'),
  ]);
  const left = [...containers, ...networks, ...volumes].filter(({ labels }) => {
    const pid = Number(labels['dev.mayfly.pid']);
    const ours = ALONE || started.has(pid);
    return pid === process.pid || (ours && !isAlive(pid, labels['dev.mayfly.pid-start'] ?? ''));
  });
  return left.map((object) => object.name).sort();
}

export async function nothingLeft(t: Test, data: string, options: { waiting?: number } = {}): Promise<void> {
  t.same(await onEngine(), [], 'no container, network or volume of ours is left');
  const runs = existsSync(join(data, 'runs')) ? readdirSync(join(data, 'runs')) : [];
  t.equal(runs.length, options.waiting ?? 0, `run folders left: ${runs.join(', ')}`);
}

export function makeFolder(path: string): string {
  mkdirSync(path, { recursive: true });
  return path;
}

/** How many trend blocks a run has: a block of Prometheus begins at an even hour at the latest. */
export const trendBlocksOf = ({ started_at, rounds }: RunDocument): number =>
  new Set(
    [started_at, ...rounds.filter(({ valid }) => valid).map((round) => round.started_at)].map((at) =>
      Math.floor(Date.parse(at) / 7_200_000),
    ),
  ).size;

/** Every series of a block, as promtool dumps it; promtool wants a whole TSDB around the block. */
export async function dumpBlock(t: Test, block: string): Promise<string> {
  const tsdb = mkdtempSync(join(tmpdir(), 'mayfly-tsdb-'));
  t.teardown(() => rmSync(tsdb, { recursive: true, force: true }));
  makeFolder(join(tsdb, 'wal'));
  cpSync(block, join(tsdb, basename(block)), { recursive: true });
  const { stdout, stderr, code } = await run('docker', [
    'run',
    '--rm',
    '--network=none',
    '--user=0:0',
    '--volume',
    `${tsdb}:/tsdb`,
    '--entrypoint=promtool',
    'prom/prometheus:v3.15.0',
    'tsdb',
    'dump',
    '--sandbox-dir-root=/tmp',
    '/tsdb',
  ]).done;
  t.equal(code, 0, stderr);
  return stdout;
}

/** Secret of the gateway; its key is key-of-the-test. */
export const SECRET = 'secret-of-the-test';

/** versitygw on a folder, on the host's network as an S3 store is for the uploader; removed at the end of the test. */
export async function startGateway(t: Test): Promise<{ endpoint: string; bucket: string }> {
  const folder = dataFolder(t);
  const bucket = makeFolder(join(folder, 'runs'));
  const port = await freePort();
  const id = await engine.create({
    name: `mayfly-test-s3-${process.pid}-${randomBytes(3).toString('hex')}`,
    image: IMAGES.versitygw.ref,
    cmd: ['--port', `127.0.0.1:${port}`, 'posix', '--nometa', '/data'],
    env: { ROOT_ACCESS_KEY: 'key-of-the-test', ROOT_SECRET_KEY: SECRET },
    user: `${process.getuid!()}:${process.getgid!()}`,
    labels: { 'dev.mayfly.test': 's3' },
    binds: [`${folder}:/data`],
    networks: ['host'],
  });
  t.teardown(() => engine.remove(id));
  await engine.start(id);
  const endpoint = `127.0.0.1:${port}`;
  for (
    const deadline = Date.now() + 20_000;
    !(await fetch(`http://${endpoint}`).then(
      () => true,
      () => false,
    ));
    await sleep(100)
  ) {
    if (Date.now() > deadline) throw new Error(`the S3 gateway does not answer: ${(await engine.logs(id, 20)).all}`);
  }
  return { endpoint, bucket };
}

/** Blocks of a folder that were measured: all but those of the trend stream. */
export function rawBlocks(folder: string): string[] {
  const blocks = existsSync(folder) ? readdirSync(folder).filter(isBlockName).sort() : [];
  return blocks.filter(
    (block) => JSON.parse(readFileSync(join(folder, block, 'meta.json'), 'utf8')).thanos?.labels?.stream !== 'trend',
  );
}

/** The same block under another name, of another run; whole from the moment that it is in the bucket. */
export function copyOf(bucket: string, block: string, runId: string): { runId: string; block: string } {
  const id = ulid();
  const work = join(bucket, '..', `copy-${id}`);
  cpSync(join(bucket, block), work, { recursive: true });
  const file = join(work, 'meta.json');
  const meta = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(
    file,
    JSON.stringify({ ...meta, ulid: id, thanos: { ...meta.thanos, labels: { ...meta.thanos.labels, run_id: runId } } }),
  );
  renameSync(work, join(bucket, id));
  return { runId, block: id };
}
