/**
 * The functions of chain-async on loopback, each a process of its own, with the test in the place of broker and trigger
 * service; and its load script with the real generator.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import t, { type Test } from 'tap';
import { loadConfig } from '../../scripts/config/config.ts';
import { measure, open, planFor } from '../loadgen/generator.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const FOLDER = join(ROOT, 'benchmarks/chain-async');
const FUNCTIONS = join(FOLDER, 'functions');

interface Running {
  process: ChildProcess;
  /** Resolves with a line that it has logged, or logs. */
  said(pattern: RegExp): Promise<RegExpExecArray>;
  /** What it has recorded. */
  records(): Record<string, unknown>[];
}

/** Starts a function, and ends it with the test. */
function start(t: Test, file: string, env: Record<string, string> = {}): Running {
  const folder = join(t.testdirName, `${file}-records`);
  mkdirSync(folder, { recursive: true });
  const process = spawn(globalThis.process.execPath, ['--disable-warning=ExperimentalWarning', join(FUNCTIONS, file)], {
    env: {
      PATH: globalThis.process.env.PATH,
      // compiled code is shared with other tests
      NODE_COMPILE_CACHE: join(ROOT, 'node_modules/.cache/node'),
      HOST: '127.0.0.1',
      PORT: '0',
      MAYFLY_TELEMETRY: folder,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => process.kill('SIGKILL'));
  const lines: string[] = [];
  const wanting = new Set<() => void>();
  const look = () => wanting.forEach((one) => one());
  createInterface(process.stdout!).on('line', (line) => (lines.push(line), look()));
  process.once('exit', look);
  return {
    process,
    said: (pattern) =>
      new Promise((resolve, reject) => {
        const one = () => {
          const found = lines.map((line) => pattern.exec(line)).find((match) => match !== null);
          if (!found && process.exitCode === null) return;
          wanting.delete(one);
          if (found) resolve(found);
          else reject(new Error(`${file} ended before it said ${pattern}: ${lines.join('\n')}`));
        };
        wanting.add(one);
        one();
      }),
    records: () =>
      readdirSync(folder).flatMap((name) =>
        readFileSync(join(folder, name), 'utf8')
          .split('\n')
          .filter((line) => line.trim() !== '')
          .map((line) => JSON.parse(line)),
      ),
  };
}

interface Sent {
  headers: NodeJS.Dict<string | string[]>;
  body: any;
}

/** In the place of the ingress: takes every event, with a status that may be set. */
async function sink(t: Test) {
  const events: Sent[] = [];
  const taken = { url: '', events, status: 202 };
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const text of request.setEncoding('utf8')) body += text;
    if (request.method !== 'POST') return response.writeHead(200).end();
    events.push({ headers: request.headers, body: JSON.parse(body) });
    response.writeHead(taken.status).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  taken.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return taken;
}

/** The producer, once it serves. */
async function producer(t: Test, K_SINK: string): Promise<Running & { address: string }> {
  const running = start(t, 'producer.ts', { K_SINK });
  const [, port] = await running.said(/ msg="producer listens" port=(\d+)/);
  await running.said(/ msg="producer serves"/);
  return { ...running, address: `127.0.0.1:${port}` };
}

/** Unary calls, as anybody with the proto makes them: the answer, or code and details as a text. */
function client(t: Test, proto: string, service: string, address: string) {
  const found = loadSync(join(FUNCTIONS, 'protos', proto), { keepCase: true, enums: String, defaults: true })[service];
  const channel = new Client(address, credentials.createInsecure());
  t.teardown(() => channel.close());
  return (name: string, request: object, metadata: Record<string, string> = {}) =>
    new Promise<any>((resolve) => {
      const { path, requestSerialize, responseDeserialize } = (found as any)[name];
      const sent = new Metadata();
      for (const [key, value] of Object.entries(metadata)) sent.set(key, value);
      channel.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        sent,
        (error: ServiceError | null, reply?: object) =>
          resolve(error ? `${status[error.code]} ${error.details}` : reply),
      );
    });
}

const ORDER = { customer: 'Ann', product: 'tea', quantity: 2, channel: 'web', express: false };

/** Delivers an event as the trigger service does; the status of the answer. */
async function deliver(port: string, trigger: string, id: string, data: object): Promise<number> {
  const { status: answer } = await fetch(`http://127.0.0.1:${port}/`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'mayfly-trigger': trigger,
      'ce-specversion': '1.0',
      'ce-id': id,
      'ce-source': '/orders',
      'ce-type': 'dev.mayfly.order.placed',
      'ce-sequence': '7',
      'ce-scheduled': '1795906193033.5',
    },
    body: JSON.stringify(data),
  });
  return answer;
}

t.test('the benchmark is taken as it is, and with the other broker by one word', async (t) => {
  const parent = mkdtempSync(join(tmpdir(), 'mayfly-chain-'));
  t.teardown(() => rmSync(parent, { recursive: true, force: true }));
  const as = async (kind: string) => {
    const dir = join(parent, kind, 'chain-async');
    cpSync(FOLDER, dir, { recursive: true, filter: (file) => !/node_modules|vendor/.test(file) });
    const file = join(dir, 'benchmark.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace('kind: nats', `kind: ${kind}`));
    const { broker, ...config } = await loadConfig({ benchmark: dir }, { root: ROOT, cwd: ROOT });
    return { broker: broker!, config: JSON.parse(JSON.stringify(config).replaceAll(join(parent, kind), '')) };
  };
  const [nats, rabbitmq] = [await as('nats'), await as('rabbitmq')];
  t.match(nats.broker, { kind: 'nats', url: 'nats://broker:4222', notDrained: 'invalid' });
  t.match(rabbitmq.broker, { kind: 'rabbitmq', url: 'amqp://broker:5672' });
  t.match(nats.broker.triggers, [{ name: 'stock' }, { name: 'mail' }, { name: 'express' }]);
  t.strictSame(rabbitmq.broker.triggers, nats.broker.triggers);
  t.strictSame(rabbitmq.config, nats.config);
  t.strictSame(
    nats.config.metrics.filter(({ primary }: any) => primary).map(({ name }: any) => name),
    ['cpu_seconds_per_request', 'delivery_med', 'delivery_p95'],
  );
});

t.test('an order is an event, on record before and after it was sent', async (t) => {
  t.testdir();
  const { url, events } = await sink(t);
  const running = await producer(t, url);
  const place = client(t, 'orders.proto', 'shop.Orders', running.address);
  const scheduledMs = Date.now() - 4.25;
  const { order } = await place('Place', { ...ORDER, express: true }, { scheduled: String(scheduledMs) });
  t.match(order, /^[0-9a-f-]{36}$/);
  t.match(await place('Place', ORDER), { order: /^[0-9a-f-]{36}$/ }, 'from any other client');
  t.match(events, [
    {
      headers: {
        'ce-specversion': '1.0',
        'ce-type': 'dev.mayfly.order.placed',
        'ce-channel': 'web',
        'ce-priority': 'high',
        'ce-sequence': '1',
        'ce-scheduled': String(scheduledMs),
      },
      body: { order, customer: 'Ann', product: 'tea', quantity: 2, express: true },
    },
    { headers: { 'ce-priority': 'normal', 'ce-sequence': '2', 'ce-scheduled': undefined } },
  ]);
  const records = running.records();
  t.match(records, [
    { e: 'offered', seq: 1, scheduled: scheduledMs },
    { e: 'accepted', tries: 1 },
    { e: 'offered', seq: 2, scheduled: null },
    { e: 'accepted', tries: 1 },
  ]);
  const [offered, accepted] = records as { t: number; received: number; id: string; source: string }[];
  t.ok(scheduledMs < offered!.received && offered!.received <= offered!.t && offered!.t < accepted!.t);
  t.match(events[0]!.headers, { 'ce-id': offered!.id, 'ce-source': offered!.source });
  await running.said(/ level=info msg="placed" order=\S+ product=tea quantity=2 channel=web express=true$/);
});

t.test('what is no order gets a code and a sentence, and is no event', async (t) => {
  t.testdir();
  const taken = await sink(t);
  const running = await producer(t, taken.url);
  const place = client(t, 'orders.proto', 'shop.Orders', running.address);
  for (const [order, said] of [
    [{ customer: '' }, 'customer must not be empty'],
    [{ product: '' }, 'product must not be empty'],
    [{ quantity: 0 }, 'quantity must be from 1 to 100, got 0'],
    [{ quantity: 101 }, 'quantity must be from 1 to 100, got 101'],
    [{ channel: 'fax' }, 'channel must be web or shop, got "fax"'],
  ] as const)
    t.equal(await place('Place', { ...ORDER, ...order }), `INVALID_ARGUMENT ${said}`);
  t.strictSame([taken.events.length, running.records()], [0, []]);

  taken.status = 400;
  t.equal(await place('Place', ORDER), 'UNAVAILABLE the event of the order was not taken; the log says why');
  t.match(running.records(), [{ e: 'offered' }, { e: 'rejected', status: 400 }]);
  await running.said(/ level=error msg="the event of an order was not taken" order=\S+ error=.*400/);
});

t.test('a producer whose sink is not there yet waits for it, and so does its health check', async (t) => {
  t.testdir();
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const { port } = free.address() as AddressInfo;
  free.close();
  const running = start(t, 'producer.ts', { K_SINK: `http://127.0.0.1:${port}/` });
  const [, own] = await running.said(/ msg="producer listens" port=(\d+)/);
  const check = client(t, 'health.proto', 'grpc.health.v1.Health', `127.0.0.1:${own}`);
  t.same(await check('Check', { service: '' }), { status: 'NOT_SERVING' });
  const probe = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', join(FUNCTIONS, 'healthy.ts')], {
    env: { ...process.env, PORT: own },
    stdio: 'inherit',
  });
  t.teardown(() => probe.kill('SIGKILL'));
  const healthy = once(probe, 'exit');
  const late = createServer((request, response) => request.resume().on('end', () => response.end()));
  late.listen(port, '127.0.0.1');
  t.teardown(() => (late.close(), late.closeAllConnections()));
  await running.said(/ msg="producer serves" sends=\S+/);
  t.same(await healthy, [0, null]);
  for (const service of ['', 'shop.Orders']) t.same(await check('Check', { service }), { status: 'SERVING' });
  t.equal(await check('Check', { service: 'shop.Other' }), 'NOT_FOUND there is no service shop.Other here');

  const exited = once(running.process, 'exit');
  running.process.kill('SIGTERM');
  t.same(await exited, [0, null]);
});

t.test('a consumer does the work of a delivery once, and records it each time', async (t) => {
  t.testdir();
  for (const [file, trigger, done, again] of [
    [
      'stock.ts',
      'stock',
      / msg="booked" order=a product=tea quantity=2 taken=2$/,
      / level=warn msg="booked before" order=a$/,
    ],
    [
      'mail.ts',
      'express',
      / msg="written" order=a bytes=\d+ /,
      / level=warn msg="written before" order=a trigger=express$/,
    ],
  ] as const) {
    const running = start(t, file);
    const [, port] = await running.said(/ serves" port=(\d+)/);
    t.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200, 'the health check of its container');
    const data = { order: 'a', customer: 'Ann', product: 'tea', quantity: 2, express: true };
    t.equal(await deliver(port!, trigger, '1', data), 204);
    await running.said(done);
    t.equal(await deliver(port!, trigger, '1', data), 204);
    await running.said(again);
    const consumed = { e: 'consumed', id: '1', source: '/orders', seq: 7, trigger, scheduled: 1795906193033.5 };
    t.match(running.records(), [consumed, consumed]);
    const exited = once(running.process, 'exit');
    running.process.kill('SIGTERM');
    t.same(await exited, [0, null]);
  }
});

t.test('the letters of an event are one for each trigger; a trigger without a letter is a fault', async (t) => {
  t.testdir();
  const running = start(t, 'mail.ts');
  const [, port] = await running.said(/ serves" port=(\d+)/);
  const data = { order: 'b', customer: 'Ann', product: 'tea', quantity: 2, express: true };
  t.equal(await deliver(port!, 'mail', '2', data), 204);
  t.equal(await deliver(port!, 'express', '2', data), 204);
  t.equal(await deliver(port!, 'other', '2', data), 500);
  await running.said(/ level=error .*there is no letter for the trigger other/);
  t.match(running.records(), [{ trigger: 'mail' }, { trigger: 'express' }], 'what throws is not consumed');
});

t.test('the load script says when an order was due, and draws what the triggers choose by', async (t) => {
  t.testdir();
  const { url, events } = await sink(t);
  const { address } = await producer(t, url);
  const files = Object.fromEntries(
    ['load.ts', 'functions/protos/orders.proto'].map((file) => [file, readFileSync(join(FOLDER, file), 'utf8')]),
  );
  const count = 100;
  const plan = planFor([`http://${address}`], { model: open(100, count / 100), target: 'http://producer:50051' });
  const { sides, window } = await measure(t, files, plan);
  t.match(sides, [{ requests: count, failed: 0, names: [{ name: 'place', requests: count }] }]);
  const due = events.map(({ headers }) => Number(headers['ce-scheduled']) - window.startMs).sort((a, b) => a - b);
  t.ok(
    due.every((ms, i) => Math.abs(ms - i * 10) < 1e-3),
    due.join(),
  );
  const share = (of: (headers: Sent['headers']) => boolean) =>
    events.filter(({ headers }) => of(headers)).length / events.length;
  t.ok(Math.abs(share((headers) => headers['ce-channel'] === 'web') - 0.5) < 0.2, 'half of them by the web site');
  t.ok(Math.abs(share((headers) => headers['ce-priority'] === 'high') - 0.1) < 0.1, 'one in ten at once');
});
