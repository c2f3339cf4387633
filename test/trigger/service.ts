/** The trigger service as a process of its own, and a subscriber that does as it is told. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import type { Trigger } from '../../compose/images/trigger/triggers.ts';
import { freePort } from '../../scripts/dev/perf/accounting/brokers.ts';

const LIMIT_MS = 60_000;

/** Waits for a fact. */
export async function until<T>(what: string, look: () => T | Promise<T>): Promise<NonNullable<T>> {
  for (const endMs = Date.now() + LIMIT_MS; ; await sleep(10)) {
    const found = await look();
    if (found) return found;
    if (Date.now() > endMs) throw new Error(`waited in vain: ${what}`);
  }
}

export interface Request {
  headers: IncomingHttpHeaders;
  body: string;
  atMs: number;
}

/** Answers with the status that `answer` gives; one that never comes is no answer. */
export async function startSubscriber(t: Test, answer: (request: Request) => number | Promise<number>) {
  const requests: Request[] = [];
  const server = createServer(async (asked, response) => {
    const atMs = Date.now();
    const request = { headers: asked.headers, body: Buffer.concat(await asked.toArray()).toString(), atMs };
    requests.push(request);
    response.writeHead(await answer(request), { location: '/elsewhere' }).end('said');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => (server.close(), server.closeAllConnections()));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/events?of=test`,
    requests,
    of: (id: string) => requests.filter(({ headers }) => headers['ce-id'] === id),
  };
}

export interface Options {
  broker: string;
  triggers: Partial<Trigger>[];
  env?: Record<string, string>;
}

export async function startService(t: Test, { broker, triggers, env = {} }: Options) {
  const records = t.testdir();
  const [ingress, scraped] = [await freePort(), await freePort()];
  let log = '';
  let child: ChildProcess;
  let ended: Promise<number | null>;
  const start = () => {
    child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', 'compose/images/trigger/main.ts'], {
      env: {
        ...process.env,
        MAYFLY_BROKER: broker,
        MAYFLY_TRIGGERS: JSON.stringify(
          triggers.map((one) => ({ filter: {}, retries: 2, backoffS: 0.05, timeoutS: 1, maxInFlight: 4, ...one })),
        ),
        MAYFLY_INGRESS_PORT: String(ingress),
        MAYFLY_METRICS_PORT: String(scraped),
        MAYFLY_TELEMETRY: records,
        LOG_LEVEL: 'debug',
        ...env,
      },
    });
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk) => (log += chunk));
    const running = child;
    ended = new Promise((resolve) => running.on('exit', resolve));
  };
  start();
  t.teardown(() => child.kill('SIGKILL'));
  const get = (port: number, path: string) =>
    fetch(`http://127.0.0.1:${port}${path}`).then(
      async (answer) => ({ status: answer.status, text: (await answer.text()).trim() }),
      () => ({ status: 0, text: '' }),
    );
  const post = async (headers: Record<string, string>, body: string | Buffer = '') => {
    const answer = await fetch(`http://127.0.0.1:${ingress}/`, {
      method: 'POST',
      headers,
      body: new Uint8Array(Buffer.from(body)),
    });
    return { status: answer.status, text: (await answer.text()).trim() };
  };
  const recordsOf = (id: string): any[] =>
    readdirSync(records)
      .sort()
      .flatMap((file) => readFileSync(`${records}/${file}`, 'utf8').split('\n').slice(0, -1))
      .map((line) => JSON.parse(line))
      .filter((one) => one.id === id);
  return {
    post,
    send: (id: string, more: Record<string, string> = {}) =>
      post(
        {
          'ce-id': id,
          'ce-source': '/test',
          'ce-type': 'order',
          'ce-specversion': '1.0',
          'content-type': 'text/plain',
          ...more,
        },
        `data of ${id}`,
      ),
    health: () => get(ingress, '/healthz'),
    ready: () => until('the service is ready', async () => (await get(ingress, '/healthz')).status === 200),
    metrics: async () => (await get(scraped, '/metrics')).text,
    /** The value of a series, as Prometheus reads it; null: it is not there. */
    metric: async (series: string) => {
      const line = (await get(scraped, '/metrics')).text.split('\n').find((one) => one.startsWith(`${series} `));
      return line ? Number(line.slice(series.length + 1)) : null;
    },
    recordsOf,
    settled: (id: string, as: string) =>
      until(`${id} is ${as}`, () => recordsOf(id).find((one) => one.e === 'settled' && one.as === as)),
    log: () => log,
    end: async (signal: NodeJS.Signals) => {
      child.kill(signal);
      return ended;
    },
    ended: () => ended,
    start,
  };
}
