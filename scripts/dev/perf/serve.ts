/**
 * npm run perf:serve: is the site quick with 10,000 runs in the store, are webhooks answered soon and kept before that,
 * and does the load disturb what is measured beside it? The real server, `npm run serve`, in a process of its own over
 * a made-up store. Goals: 100 ms at p95 for pages at 50 requests a second, 50 ms at p99 for webhooks. --quick leaves
 * the last part out and asks for a shorter time.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ulid } from 'ulid';
import { generator } from '../../../loadgen/schedule.ts';
import { command, wholeNumber } from '../../app/command.ts';
import { ROOT } from '../../app/open.ts';
import type { Io } from '../../core/cli.ts';
import { EXIT, InfrastructureError } from '../../core/errors.ts';
import { interruptible } from '../../core/interrupt.ts';
import { paths } from '../../core/paths.ts';
import { columns } from '../../report/columns.ts';
import { formatValue } from '../../report/units.ts';
import { openStore, type Store } from '../../store/db.ts';
import { drive, type Times, type Wanted } from './open-load.ts';
import { measureDisturbance } from './serve-disturb.ts';
import { BENCHMARKS, type Filled, fillStore, METRICS, ROUNDS } from './serve-store.ts';

const GOAL = { page: 100, webhook: 50 };
const RATE = { page: 50, webhook: 20 };
const WEBHOOKS = 200;
const BLOCKS = 10;
const START_MS = 60_000;

await command(
  {
    name: 'perf:serve',
    about:
      'Measures the pages of the web site with many runs in the store, webhooks, and whether the load disturbs what is measured beside it.',
    flags: [
      { name: 'runs', value: 'N', help: 'runs in the store; default 10000' },
      { name: 'pages', help: 'pages and webhooks only, for the whole time' },
      { name: 'quick', help: 'a shorter time, and nothing is measured beside it: shows that it works' },
    ],
  },
  async (io, { text, has }) => {
    const count = wholeNumber('runs', text('runs'), { least: 100, most: 1_000_000, fallback: 10_000 });
    const { signal, release } = interruptible();
    const folder = await mkdtemp(join(tmpdir(), 'mayfly-perf-serve-'));
    try {
      const met = await measureAll(folder, {
        count,
        quick: has('quick'),
        alone: has('quick') || has('pages'),
        io,
        signal,
      });
      return met ? EXIT.pass : EXIT.regression;
    } finally {
      release();
      await rm(folder, { recursive: true, force: true });
    }
  },
);

interface Asked {
  count: number;
  quick: boolean;
  /** Nothing is measured beside it. */
  alone: boolean;
  io: Io;
  signal: AbortSignal;
}

async function measureAll(folder: string, { count, quick, alone, io, signal }: Asked): Promise<boolean> {
  const where = paths(ROOT, { MAYFLY_DATA: join(folder, 'data') });
  const filled = fillStore(where.db, count, Date.now());
  const store = openStore(where.db);
  try {
    io.stderr(
      `store of ${count} runs, ${ROUNDS} rounds of two sides and ${METRICS} metrics each: ${formatValue(statSync(where.db).size, 'bytes')} in ${filled.seconds.toFixed(1)} s`,
    );
    await using server = await startServer(folder, where.data, signal);
    const seconds = quick ? 3 : 30;
    const pages = await measurePages(server.url, filled, seconds, io, signal);
    const busy = await whileWorkersWrite(store, filled, () => measurePages(server.url, filled, seconds, io, signal));
    const webhooks = await measureWebhooks(server, store, quick ? WEBHOOKS / 4 : WEBHOOKS);
    const rows = [
      ...[
        ...pages,
        ...busy.slice(1).map(([name, times]): [string, Times] => [`${name}, while a worker measures`, times]),
      ].map(([name, times]) => row(name, times, name.startsWith('a file') ? undefined : ['p95', GOAL.page])),
      row('webhook, in the store before its answer', webhooks, ['p99', GOAL.webhook]),
    ];
    io.stdout(
      columns(['ms, from the scheduled start', 'requests', 'p50', 'p95', 'p99', 'max', 'goal'], rows, { color: false }),
    );
    const met =
      [...pages, ...busy].every(([name, { p95 }]) => name.startsWith('a file') || p95 < GOAL.page) &&
      webhooks.p99 < GOAL.webhook;
    return alone ? met : (await undisturbed(folder, server.url, filled, io, signal)) && met;
  } finally {
    store.close();
  }
}

function row(name: string, { requests, p50, p95, p99, max }: Times, goal?: ['p95' | 'p99', number]): string[] {
  const reached = goal && { p95, p99 }[goal[0]] < goal[1];
  return [
    name,
    String(requests),
    ...[p50, p95, p99, max].map((ms) => ms.toFixed(1)),
    goal ? `${goal[0]} under ${goal[1]}: ${reached ? 'met' : 'MISSED'}` : '',
  ];
}

async function measurePages(
  url: string,
  filled: Filled,
  seconds: number,
  io: Io,
  signal: AbortSignal,
): Promise<[string, Times][]> {
  const asset = /(?:href|src)="(\/assets\/[^"]+\.css)"/.exec(await (await fetch(url)).text())?.[1];
  if (!asset) throw new InfrastructureError('the overview names no style sheet to compare with');
  const measured: [string, (index: number) => string][] = [
    ['a file of the same server, for comparison', () => asset],
    ...Object.entries(pagesOf(filled)),
  ];
  const results: [string, Times][] = [];
  for (const [name, page] of measured) {
    signal.throwIfAborted();
    const times = await drive((index) => ({ url: `${url}${page(index)}` }), { rate: RATE.page, seconds });
    io.stderr(`${name}: p95 ${times.p95.toFixed(1)} ms`);
    results.push([name, times]);
  }
  return results;
}

/**
 * What a worker does to the store meanwhile: its lease and its progress every second, a new run of the default branch
 * every ten. What the server has kept in memory is then out of date.
 */
async function whileWorkersWrite<T>(store: Store, { runs }: Filled, measure: () => Promise<T>): Promise<T> {
  const worker = { host: 'perf', pid: 1, pid_start: '1' };
  const [benchmark] = BENCHMARKS;
  const newest = store.run(runs.get(benchmark!)!.at(-1)!);
  let beats = 0;
  const beat = setInterval(() => {
    store.queue.hello(worker, 1, Date.now());
    if (++beats % 10 === 0)
      store.addRun({
        ...newest,
        run_id: ulid(),
        started_at: new Date().toISOString(),
        finished_at: new Date().toISOString(),
        master: true,
      });
  }, 1000);
  try {
    return await measure();
  } finally {
    clearInterval(beat);
  }
}

/** What is asked for differs from request to request, as it does where many people look. */
function pagesOf({ runs }: Filled): Record<string, (index: number) => string> {
  const random = generator(5);
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)]!;
  return {
    overview: () => '/',
    history: () =>
      `/benchmarks/${pick(BENCHMARKS)}?metric=${pick(['latency_med', 'latency_p95', 'cpu_seconds_per_request'])}`,
    'compare, two runs at random': () => {
      const all = runs.get(pick(BENCHMARKS))!;
      const [a, b] = [Math.floor(random() * all.length), Math.floor(random() * (all.length - 1))];
      return `/compare?a=${all[a]}&b=${all[b >= a ? b + 1 : b]}`;
    },
    run: () => `/runs/${pick(runs.get(pick(BENCHMARKS))!)}`,
  };
}

/** Pushes to the default branch, each of another commit; each must be in the store when it is answered. */
async function measureWebhooks({ url, secret }: Server, store: Store, count: number): Promise<Times> {
  const commits = Array.from({ length: count }, () => randomBytes(20).toString('hex'));
  const next = (index: number): Wanted => {
    const body = JSON.stringify({
      ref: 'refs/heads/main',
      after: commits[index],
      deleted: false,
      repository: { id: 1, full_name: 'perf/serve', default_branch: 'main' },
      head_commit: { message: 'x'.repeat(8000) },
    });
    return {
      url: `${url}/webhooks/github`,
      method: 'POST',
      body,
      headers: {
        'content-type': 'application/json',
        'x-github-event': 'push',
        'x-github-delivery': randomUUID(),
        'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
      },
    };
  };
  const check = (status: number, index: number) => {
    if (status !== 202) throw new InfrastructureError(`the webhook was answered with ${status}`);
    if (store.queue.count({ commit: commits[index]! }) === 0)
      throw new InfrastructureError('a webhook was answered before its job was in the store');
  };
  return drive(next, { rate: RATE.webhook, seconds: count / RATE.webhook, check });
}

async function undisturbed(folder: string, url: string, filled: Filled, io: Io, signal: AbortSignal): Promise<boolean> {
  const kinds = Object.values(pagesOf(filled)).slice(0, 3);
  const load = async (stop: AbortSignal) => {
    while (!stop.aborted)
      await drive((index) => ({ url: `${url}${kinds[index % kinds.length]!(index)}` }), {
        rate: RATE.page,
        seconds: 2,
      });
  };
  const verdict = await measureDisturbance(folder, { blocks: BLOCKS, load, told: (line) => io.stderr(line), signal });
  const cpu = verdict.metrics.find(({ name }) => name === 'cpu_seconds_per_request');
  io.stdout(
    `\na run beside ${RATE.page} requests a second against one without, ${BLOCKS} blocks of four rounds: ${verdict.verdict}: ${verdict.summary}\nCPU per request: ${cpu?.words ?? 'no value'}`,
  );
  if (!cpu || cpu.observations < BLOCKS / 2)
    io.stdout('not decided: too few blocks were valid; run it again on a quiet host');
  else if (cpu.verdict === 'INCONCLUSIVE') io.stdout('not decided: no difference is seen, and none is excluded');
  return (
    cpu !== undefined &&
    cpu.observations >= BLOCKS / 2 &&
    verdict.verdict !== 'REGRESSION' &&
    verdict.verdict !== 'IMPROVEMENT' &&
    verdict.verdict !== 'INVALID'
  );
}

interface Server {
  url: string;
  secret: string;
}

/** `npm run serve` over this data folder; ended with SIGTERM. */
async function startServer(folder: string, data: string, signal: AbortSignal): Promise<Server & AsyncDisposable> {
  const secret = randomBytes(16).toString('hex');
  const config = join(folder, 'mayfly.yaml');
  await writeFile(config, 'repositories:\n  perf/serve:\n    benchmarks: [shop]\n');
  const { GITHUB_TOKEN: _, GITHUB_APP_ID: __, ...env } = process.env;
  const child = spawn(process.execPath, ['scripts/commands/serve.ts', '--port=0', `--config=${config}`], {
    cwd: ROOT,
    env: { ...env, MAYFLY_DATA: data, MAYFLY_WEBHOOK_SECRET: secret },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'close');
  try {
    const url = await listening(child, AbortSignal.any([signal, AbortSignal.timeout(START_MS)]));
    return { url, secret, [Symbol.asyncDispose]: async () => void (child.kill('SIGTERM'), await ended) };
  } catch (error) {
    child.kill('SIGTERM');
    throw error;
  }
}

function listening(child: ChildProcess, signal: AbortSignal): Promise<string> {
  let said = '';
  return new Promise((resolve, reject) => {
    const look = (chunk: unknown) => {
      said += chunk;
      const url = /listening on (http:\S+)/.exec(said)?.[1];
      if (url) resolve(url);
    };
    child.stdout!.on('data', look);
    child.stderr!.on('data', look);
    child.on('close', (code) =>
      reject(
        new InfrastructureError(`the server ended with exit code ${code}: ${said.trim()}`, {
          hint: 'Try npm run serve by itself.',
        }),
      ),
    );
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
