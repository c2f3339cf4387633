/** The functions of chain-sync on loopback, each a process of its own, and its load script with the real generator. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import t, { type Test } from 'tap';
import { readBenchmark } from '../../scripts/config/config.ts';
import { zipkin } from '../functions/zipkin.ts';
import { measure, open, planFor } from '../loadgen/generator.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const FOLDER = join(ROOT, 'benchmarks/chain-sync');
const FUNCTIONS = join(FOLDER, 'functions');
/** Compiled code is shared with other tests. */
const ENVIRONMENT = { ...process.env, NODE_COMPILE_CACHE: join(ROOT, 'node_modules/.cache/node') };

interface Running {
  process: ChildProcess;
  address: string;
  /** Resolves with a line that it has said, or says. */
  said(pattern: RegExp): Promise<RegExpExecArray>;
  metrics(): Promise<string>;
}

/** Starts a function on a free loopback port, and ends it with the test. */
async function start(t: Test, file: string, env: Record<string, string> = {}): Promise<Running> {
  const process = spawn(
    globalThis.process.execPath,
    ['--disable-warning=ExperimentalWarning', resolve(FUNCTIONS, file)],
    {
      env: { ...ENVIRONMENT, HOST: '127.0.0.1', PORT: '0', METRICS_PORT: '0', ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  t.teardown(() => process.kill('SIGKILL'));
  const lines: string[] = [];
  const wanting = new Set<() => void>();
  const look = () => wanting.forEach((one) => one());
  createInterface(process.stdout!).on('line', (line) => (lines.push(line), look()));
  process.once('exit', look);
  const said: Running['said'] = (pattern) =>
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
    });
  const [, port, metricsPort] = await said(/ msg="listens" .* port=(\d+) metrics=(\d+)$/);
  return {
    process,
    address: `127.0.0.1:${port}`,
    said,
    metrics: async () => (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text(),
  };
}

/** A consumer on the same ground whose answers the test lets go, by a line on its standard input. */
async function slowConsumer(t: Test): Promise<Running> {
  const folder = t.testdir({
    'slow.mjs': `
      import { once } from 'node:events';
      import { contract } from '${FUNCTIONS}/contract.ts';
      import { serve } from '${FUNCTIONS}/function.ts';
      await serve('chain.Consumer', contract('consumer.proto', 'chain.Consumer'), {
        async Consume({ payload }, call) {
          if (String(payload).startsWith('quick')) return { bytes: payload.length };
          if (String(payload).startsWith('fault')) throw new Error('the consumer of a test has a fault');
          console.log('left ' + (Number(call.getDeadline()) - Date.now()));
          call.on('cancelled', () => console.log('cancelled'));
          await once(process.stdin, 'data');
          return { bytes: payload.length };
        },
      });`,
  });
  const running = await start(t, join(folder, 'slow.mjs'));
  await running.said(/ msg="serves" /);
  return running;
}

/** Both functions of the benchmark, once they serve. */
async function chain(t: Test): Promise<{ producer: Running; consumer: Running }> {
  const consumer = await start(t, 'consumer.ts');
  const producer = await start(t, 'producer.ts', { CONSUMER: consumer.address });
  await producer.said(/ msg="serves" /);
  return { producer, consumer };
}

/** Unary calls of a service, as anybody with the proto makes them. */
function client(t: Test, proto: string, service: string, { address }: Running) {
  const definition = loadSync(join(FUNCTIONS, 'protos', proto), { keepCase: true, enums: String, defaults: true })[
    service
  ] as any;
  const channel = new Client(address, credentials.createInsecure());
  t.teardown(() => channel.close());
  return (name: string, request: object, deadline?: number, begun: (call: { cancel(): void }) => void = () => {}) =>
    new Promise<any>((resolve) => {
      const { path, requestSerialize, responseDeserialize } = definition[name];
      const done = (error: ServiceError | null, reply?: object) =>
        resolve(error ? `${status[error.code]} ${error.details}` : reply);
      const options = deadline === undefined ? {} : { deadline };
      begun(channel.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, options as any, done));
    });
}
const producerOf = (t: Test, running: Running) => client(t, 'producer.proto', 'chain.Producer', running);
const healthOf = (t: Test, running: Running) => client(t, 'health.proto', 'grpc.health.v1.Health', running);

/** One end of a hop, once it has counted so many calls: code -> number. A counter moves after the answer was sent. */
async function counted(running: Running, side: 'server' | 'client', count: number): Promise<Record<string, number>> {
  const pattern = new RegExp(`^grpc_${side}_handled_total\\{method="\\w+",code="(\\w+)"\\} ([1-9]\\d*)$`, 'gm');
  for (;;) {
    const found = [...(await running.metrics()).matchAll(pattern)].map(([, code, calls]) => [code, Number(calls)]);
    if (found.reduce((sum, [, calls]) => sum + Number(calls), 0) >= count) return Object.fromEntries(found);
    await sleep(20);
  }
}

t.test('benchmark.yaml and compose.yaml are taken as they are', async (t) => {
  const spec = readBenchmark(FOLDER, { root: ROOT, cwd: ROOT });
  t.match(spec.build, {
    producer: { git: { args: { TARGET: 'producer' }, context: 'benchmarks/chain-sync/functions' } },
    consumer: { git: { args: { TARGET: 'consumer' }, network: 'default' } },
  });
  t.equal(spec.traces?.sampling, '10%');
});

t.test('an answer comes back through both hops, and each end has counted and timed it', async (t) => {
  const { producer, consumer } = await chain(t);
  const produce = producerOf(t, producer);
  t.same(await produce('Produce', { key: 'abc', bytes: 7 }), {
    bytes: 7,
    sha256: createHash('sha256').update('abcabca').digest('hex'),
  });
  t.same(await counted(producer, 'server', 1), { OK: 1 });
  t.same(await counted(producer, 'client', 1), { OK: 1 });
  t.same(await counted(consumer, 'server', 1), { OK: 1 });
  const seconds = async (running: Running, side: string) =>
    Number(new RegExp(`^grpc_${side}_handling_seconds_sum\\{.*\\} (\\S+)$`, 'm').exec(await running.metrics())![1]);
  const nested = [
    await seconds(producer, 'server'),
    await seconds(producer, 'client'),
    await seconds(consumer, 'server'),
  ];
  t.ok(nested[0]! > nested[1]! && nested[1]! > nested[2]! && nested[2]! > 0, nested.join(' > '));
  const metrics = await producer.metrics();
  t.match(metrics, /^grpc_server_handled_total\{method="Produce",code="UNAVAILABLE"\} 0$/m, 'every code is there at 0');
  t.match(metrics, /^process_cpu_seconds_total /m);
});

t.test('every call is a line of the log and, at each end of each hop, a span', async (t) => {
  const { url, has } = await zipkin(t);
  const env = (service: string) => ({
    OTEL_EXPORTER_ZIPKIN_ENDPOINT: url,
    OTEL_TRACES_SAMPLER: 'always_on',
    OTEL_SERVICE_NAME: service,
  });
  const consumer = await start(t, 'consumer.ts', env('consumer'));
  const producer = await start(t, 'producer.ts', { ...env('producer'), CONSUMER: consumer.address });
  await producer.said(/ msg="serves" /);
  t.match(await producerOf(t, producer)('Produce', { key: 'abc', bytes: 7 }), { bytes: 7 });
  const [, trace] = await consumer.said(
    /^ts=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z level=info service=consumer trace=(\w{32}) msg="Consume" code=OK ms=\d+(?:\.\d+)?$/,
  );
  await producer.said(new RegExp(` service=producer trace=${trace} msg="Produce" code=OK ms=`));
  await producerOf(t, producer)('Produce', { key: '', bytes: 7 });
  await producer.said(
    / level=warn service=producer trace=\w+ msg="Produce" code=INVALID_ARGUMENT ms=\S+ details="key must not be empty"$/,
  );

  const spans = await has(4);
  const root = spans.find((span) => span.traceId === trace && !span.parentId)!;
  const chain = [root];
  while (chain.length < 3) chain.push(spans.find(({ parentId }) => parentId === chain.at(-1)!.id)!);
  t.match(chain, [
    { name: 'chain.Producer/Produce', kind: 'SERVER', localEndpoint: { serviceName: 'producer' } },
    { name: 'chain.Consumer/Consume', kind: 'CLIENT', localEndpoint: { serviceName: 'producer' } },
    { name: 'chain.Consumer/Consume', kind: 'SERVER', localEndpoint: { serviceName: 'consumer' } },
  ]);
  t.equal(spans.length, 4, 'health checks are none');
});

t.test('what is not as the contract says gets a code and a sentence, counted by code', async (t) => {
  const { producer, consumer } = await chain(t);
  const produce = producerOf(t, producer);
  for (const [request, said] of [
    [{ key: '', bytes: 1 }, 'key must not be empty'],
    [{ key: 'a', bytes: 0 }, 'bytes must be from 1 to 65536, got 0'],
    [{ key: 'a', bytes: 65_537 }, 'bytes must be from 1 to 65536, got 65537'],
  ] as const)
    t.equal(await produce('Produce', request), `INVALID_ARGUMENT ${said}`);
  t.equal(
    await client(t, 'consumer.proto', 'chain.Consumer', consumer)('Consume', {}),
    'INVALID_ARGUMENT payload must not be empty',
  );
  t.same(await counted(producer, 'server', 3), { INVALID_ARGUMENT: 3 });
  t.same(await counted(consumer, 'server', 1), { INVALID_ARGUMENT: 1 });
  t.same(await counted(producer, 'client', 0), {}, 'the consumer was not asked');
});

t.test('a fault of the consumer, and its end, reach the client with their codes', async (t) => {
  const consumer = await slowConsumer(t);
  const producer = await start(t, 'producer.ts', { CONSUMER: consumer.address });
  await producer.said(/ msg="serves" /);
  const produce = producerOf(t, producer);
  t.equal(
    await produce('Produce', { key: 'fault', bytes: 9 }),
    'INTERNAL the function failed; its log says why',
    'not what it was: that is for its own log',
  );
  await consumer.said(
    / level=error msg="Consume" code=INTERNAL ms=\S+ error="Error: the consumer of a test has a fault" error_stack=/,
  );
  const ended = once(consumer.process, 'exit');
  consumer.process.kill('SIGKILL');
  await ended;
  t.match(await produce('Produce', { key: 'quick', bytes: 9 }), /^UNAVAILABLE /);
  t.same(await counted(producer, 'client', 2), { INTERNAL: 1, UNAVAILABLE: 1 });
  t.same(await counted(producer, 'server', 2), { INTERNAL: 1, UNAVAILABLE: 1 });
});

t.test('a deadline that runs out at the client has run out at the consumer', async (t) => {
  const consumer = await slowConsumer(t);
  const producer = await start(t, 'producer.ts', { CONSUMER: consumer.address });
  await producer.said(/ msg="serves" /);
  const produce = producerOf(t, producer);
  t.match(await produce('Produce', { key: 'quick', bytes: 5 }), { bytes: 5 }, 'every connection is there');

  const asked = Date.now();
  const answer = produce('Produce', { key: 'slow', bytes: 5 }, asked + 1_500);
  const left = Number((await consumer.said(/^left (\d+)$/))[1]);
  t.ok(left > 0 && left <= 1_500, `the consumer has what is left of 1500 ms: ${left} ms`);
  t.match(await answer, /^DEADLINE_EXCEEDED /);
  t.ok(Date.now() - asked >= 1_499);
  await consumer.said(/^cancelled$/);
  // whichever timer was first: the caller's, which takes the call back, or its own
  for (const [end, side] of [
    [producer, 'server'],
    [producer, 'client'],
    [consumer, 'server'],
  ] as const)
    t.match(Object.keys(await counted(end, side, 2)).join(), /^OK,(DEADLINE_EXCEEDED|CANCELLED)$|^CANCELLED,OK$/);
});

t.test('a call that the client takes back is taken back at the consumer', async (t) => {
  const consumer = await slowConsumer(t);
  const producer = await start(t, 'producer.ts', { CONSUMER: consumer.address });
  await producer.said(/ msg="serves" /);
  let cancel = () => {};
  const answer = producerOf(t, producer)('Produce', { key: 'slow', bytes: 5 }, undefined, (call) => {
    cancel = () => call.cancel();
  });
  t.ok(await consumer.said(/^left Infinity$/), 'a caller without a deadline passes none on');
  cancel();
  t.match(await answer, /^CANCELLED /);
  await consumer.said(/^cancelled$/);
  t.same(await counted(consumer, 'server', 1), { CANCELLED: 1 });
  t.same(await counted(producer, 'client', 1), { CANCELLED: 1 });
  t.same(await counted(producer, 'server', 1), { CANCELLED: 1 });
});

/**
 * DNS as it is in the network of a round: the name of a container is unknown until that is started, and what only the
 * world outside could answer takes for ever.
 */
function dnsOfRound(t: Test): string {
  const folder = t.testdir({
    'dns.mjs': `
      import { promises as dns } from 'node:dns';
      const { lookup } = dns;
      let tries = 0;
      dns.lookup = async (host, options) => {
        if (host !== 'consumer') return lookup(host, options);
        if (++tries <= 3) throw Object.assign(new Error('getaddrinfo ENOTFOUND consumer'), { code: 'ENOTFOUND' });
        return lookup('127.0.0.1', options);
      };
      dns.resolveTxt = () => new Promise(() => setInterval(() => {}, 1_000));`,
  });
  return `--import=${join(folder, 'dns.mjs')}`;
}

t.test('a producer that is there before its consumer waits for it, and says so by grpc.health.v1', async (t) => {
  const first = await start(t, 'consumer.ts'); // whose port is free then
  first.process.kill('SIGKILL');
  await once(first.process, 'exit');
  const [, port] = first.address.split(':');
  const NODE_OPTIONS = dnsOfRound(t);
  const producer = await start(t, 'producer.ts', { CONSUMER: `consumer:${port}`, NODE_OPTIONS });
  const check = healthOf(t, producer);
  t.same(await check('Check', { service: '' }), { status: 'NOT_SERVING' });
  const probe = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', join(FUNCTIONS, 'healthy.ts')], {
    env: { ...ENVIRONMENT, NODE_OPTIONS, PORT: producer.address.split(':')[1] },
    stdio: 'inherit',
  });
  t.teardown(() => probe.kill('SIGKILL'));
  const healthy = once(probe, 'exit');

  const consumer = await start(t, 'consumer.ts', { PORT: port! });
  await producer.said(/ msg="serves" serves=chain\.Producer$/);
  t.same(await healthy, [0, null], 'so does the health check of the container');
  for (const service of ['', 'chain.Producer']) t.same(await check('Check', { service }), { status: 'SERVING' });
  t.same(await healthOf(t, consumer)('Check', { service: 'chain.Consumer' }), { status: 'SERVING' });
  t.equal(await check('Check', { service: 'chain.Other' }), 'NOT_FOUND there is no service chain.Other here');
  t.match(await producerOf(t, producer)('Produce', { key: 'a', bytes: 3 }), { bytes: 3 });
});

t.test('SIGTERM finishes the call under way, takes no other, and exits 0', async (t) => {
  const consumer = await slowConsumer(t);
  const producer = await start(t, 'producer.ts', { CONSUMER: consumer.address });
  await producer.said(/ msg="serves" /);
  const answer = producerOf(t, producer)('Produce', { key: 'slow', bytes: 5 });
  await consumer.said(/^left /);
  const exited = once(producer.process, 'exit');
  producer.process.kill('SIGTERM');
  while (!/^UNAVAILABLE /.test(await producerOf(t, producer)('Produce', { key: 'quick', bytes: 5 })));
  consumer.process.stdin!.write('go\n');
  t.match(await answer, { bytes: 5 });
  t.same(await exited, [0, null]);
});

t.test('SIGTERM does not wait for a call that never ends', async (t) => {
  const consumer = await slowConsumer(t);
  const producer = await start(t, 'producer.ts', { CONSUMER: consumer.address });
  await producer.said(/ msg="serves" /);
  const answer = producerOf(t, producer)('Produce', { key: 'slow', bytes: 5 });
  await consumer.said(/^left /);
  const exits = [producer, consumer].map(({ process }) => once(process, 'exit'));
  producer.process.kill('SIGTERM');
  t.same(await exits[0], [0, null]);
  t.match(await answer, /^UNAVAILABLE /);
  consumer.process.kill('SIGTERM');
  t.same(await exits[1], [0, null]);
});

t.test('the load script calls the chain, within its deadline', async (t) => {
  const consumer = await start(t, 'consumer.ts');
  const producer = await start(t, 'producer.ts', { CONSUMER: consumer.address });
  await producer.said(/ msg="serves" /);
  const files = Object.fromEntries(
    ['load.ts', 'functions/protos/producer.proto'].map((file) => [file, readFileSync(join(FOLDER, file), 'utf8')]),
  );
  const plan = (at: Running, count: number) =>
    planFor([`http://${at.address}`], { model: open(50, count / 50), target: 'http://producer:50051' });
  const { sides } = await measure(t, files, plan(producer, 25));
  t.match(sides, [{ requests: 25, failed: 0, names: [{ name: 'produce', requests: 25 }] }]);
  t.same(await counted(consumer, 'server', 25), { OK: 25 });

  const slow = await slowConsumer(t);
  const before = await start(t, 'producer.ts', { CONSUMER: slow.address });
  await before.said(/ msg="serves" /);
  const late = await measure(t, files, plan(before, 1));
  t.match(late.sides, [{ requests: 1, failed: 1, failures: [{ kind: 'timeout', detail: 'DEADLINE_EXCEEDED' }] }]);
  const left = Number((await slow.said(/^left (\d+)$/))[1]);
  t.ok(left > 0 && left <= 1_000, `of the script's 1000 ms the consumer has ${left} ms`);
  await slow.said(/^cancelled$/);
});
