/** A sink and a server of events: real HTTP, and the records of what became of each. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { CloudEvent, HTTP } from 'cloudevents';
import t, { type Test } from 'tap';
import { recordsIn } from './records-file.ts';
import { moduleOf, run, start } from './run-function.ts';
import { zipkin } from './zipkin.ts';

const USE = `
  import { eventSink, serveEvents } from ${moduleOf('events')};
  import { log } from ${moduleOf('log')};
  import { tracing } from ${moduleOf('tracing')};
  import { setTimeout as sleep } from 'node:timers/promises';
`;

interface Asked {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  body: string;
}

/** A sink whose answers the test gives. */
async function sinkOf(t: Test, answer: (asked: Asked, response: ServerResponse) => unknown, port = 0) {
  const asked: Asked[] = [];
  let connections = 0;
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString();
    const one = { method: request.method!, url: request.url!, headers: request.headers, body };
    asked.push(one);
    await answer(one, response);
    if (!response.writableEnded) response.end();
  }).listen(port, '127.0.0.1');
  server.on('connection', () => connections++);
  await once(server, 'listening');
  t.teardown(() => (server.close(), server.closeAllConnections()));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, asked, connections: () => connections };
}

const status = (code: number) => (_: Asked, response: ServerResponse) => response.writeHead(code);
const freePort = async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
};

t.test('an event that the sink takes: CloudEvents in binary mode, and its records', async (t) => {
  const sink = await sinkOf(t, status(202));
  const dir = t.testdir();
  const { code, stdout, stderr } = await run(
    t,
    `${USE}
     const sink = eventSink();
     await sink.ready();
     const sent = [];
     sent.push(await sink.send({ type: 'order.placed', data: { order: 7 }, priority: 'high' }, { scheduledMs: 1764367200000.25, receivedMs: 1764367200001.5 }));
     sent.push(await sink.send({ type: 'order.placed', data: 'x' }));
     console.log(JSON.stringify([sink.source, ...sent]));`,
    { env: { K_SINK: sink.url, MAYFLY_TELEMETRY: dir, OTEL_SERVICE_NAME: 'producer' } },
  );
  t.same([code, stderr], [0, '']);
  const [source, first, second] = JSON.parse(stdout);
  t.match(source, /^\/producer\/[0-9a-f]{16}$/);
  t.match(first, { source, tries: 1, id: /^[0-9a-f]{16}-1$/ });
  t.match(second, { source, id: /^[0-9a-f]{16}-2$/ });
  t.same(
    sink.asked.map(({ method, url }) => `${method} ${url}`),
    ['GET /healthz', 'POST /', 'POST /'],
  );
  t.equal(sink.connections(), 1, 'the connection is kept');
  const [, one, two] = sink.asked;
  t.match(HTTP.toEvent({ headers: one!.headers, body: one!.body }), {
    id: first.id,
    source,
    type: 'order.placed',
    data: { order: 7 },
    priority: 'high',
    sequence: '1',
    scheduled: '1764367200000.25',
  });
  t.match(two!.headers, { 'ce-sequence': '2', 'content-type': 'application/json' });
  t.notOk('ce-scheduled' in two!.headers || 'traceparent' in two!.headers);
  const records = Object.values(recordsIn(dir)).flat() as { e: string; t: number }[];
  t.match(records, [
    {
      e: 'offered',
      id: first.id,
      source,
      type: 'order.placed',
      seq: 1,
      scheduled: 1764367200000.25,
      received: 1764367200001.5,
    },
    { e: 'accepted', id: first.id, source, tries: 1 },
    { e: 'offered', id: second.id, seq: 2, scheduled: null, received: null },
    { e: 'accepted', id: second.id, tries: 1 },
  ]);
  t.ok(
    records.every((record, n) => n === 0 || record.t >= records[n - 1]!.t) &&
      Math.abs(records[0]!.t - Date.now()) < 60_000,
  );
});

t.test('two processes have sources of their own; an author may name one, with sequences of its own', async (t) => {
  const sink = await sinkOf(t, status(202));
  const code = `${USE} const sink = eventSink({ source: process.env.SOURCE }); console.log(sink.source);
    await sink.send({ type: 'x' }); await sink.send({ type: 'x', source: '/other', id: 'own' }); await sink.send({ type: 'x' });`;
  const said = async (SOURCE?: string) => (await run(t, code, { env: { K_SINK: sink.url, SOURCE } })).stdout;
  const sources = [await said(), await said(), await said('/orders')];
  t.match(sources[0], /^\/function\/[0-9a-f]{16}\n$/);
  t.not(sources[0], sources[1]);
  t.equal(sources[2], '/orders\n');
  t.same(
    sink.asked.slice(-3).map(({ headers }) => [headers['ce-source'], headers['ce-sequence']]),
    [
      ['/orders', '1'],
      ['/other', '1'],
      ['/orders', '2'],
    ],
  );
  t.equal(new Set(sink.asked.map(({ headers }) => `${headers['ce-source']} ${headers['ce-id']}`)).size, 9 - 2, 'ids');
});

t.test('503, 500 and no connection: it is tried again, with the same id', async (t) => {
  let tries = 0;
  const sink = await sinkOf(t, ({ headers }, response) => {
    tries++;
    if (tries === 1) return response.writeHead(503).end('the broker is away\n');
    if (tries === 2) return response.socket!.destroy();
    if (tries === 3) return response.writeHead(500);
    return response.writeHead(headers['ce-type'] === 'x' ? 204 : 400);
  });
  const dir = t.testdir();
  const { stdout } = await run(
    t,
    `${USE} console.log((await eventSink({ backoffMs: 1 }).send({ type: 'x', data: { a: 1 } })).tries);`,
    { env: { K_SINK: sink.url, MAYFLY_TELEMETRY: dir } },
  );
  t.equal(stdout, '4\n');
  t.equal(new Set(sink.asked.map(({ headers, body }) => `${headers['ce-id']} ${body}`)).size, 1);
  t.match(Object.values(recordsIn(dir)).flat(), [{ e: 'offered' }, { e: 'accepted', tries: 4 }]);
});

t.test('an event that is given up: at once where the sink refuses it, else after its tries', async (t) => {
  const dir = t.testdir();
  const refusing = await sinkOf(t, (_, response) => response.writeHead(400).end('the attribute type is missing\n'));
  const failing = await sinkOf(t, status(503));
  const silent = await sinkOf(t, () => new Promise(() => {}));
  const away = `http://127.0.0.1:${await freePort()}/`;
  const { stdout, code } = await run(
    t,
    `${USE}
     for (const url of ${JSON.stringify([refusing.url, failing.url, silent.url, away])}) {
       try {
         await eventSink({ url, tries: 3, backoffMs: 1, timeoutMs: 200 }).send({ type: 'x', id: 'i' });
       } catch (error) {
         console.log(error.name + ' ' + error.status + ' ' + error.id + ' ' + error.message.replaceAll(url, 'URL'));
       }
     }`,
    { env: { MAYFLY_TELEMETRY: dir } },
  );
  t.equal(code, 0);
  const [port] = /\d+(?=\/$)/.exec(away)!;
  t.same(stdout.trimEnd().split('\n'), [
    'SinkError 400 i URL did not take the event i of type x: it answers 400: the attribute type is missing',
    'SinkError 503 i URL did not take the event i of type x: it answers 503: without a word',
    'SinkError null i URL did not take the event i of type x: no answer within 200 ms',
    `SinkError null i URL did not take the event i of type x: connect ECONNREFUSED 127.0.0.1:${port}`,
  ]);
  t.same([refusing.asked.length, failing.asked.length, silent.asked.length], [1, 3, 3]);
  t.match(
    Object.values(recordsIn(dir))
      .flat()
      .filter(({ e }) => e === 'rejected'),
    [
      { id: 'i', status: 400, why: 'it answers 400: the attribute type is missing' },
      { status: 503, why: 'it answers 503: without a word' },
      { status: null, why: 'no answer within 200 ms' },
      { status: null, why: /ECONNREFUSED/ },
    ],
  );
});

t.test('an event that is none, a sink that is none: refused by a sentence', async (t) => {
  const { stdout } = await run(
    t,
    `${USE}
     const said = async (work) => { try { await work(); } catch (error) { console.log(error.message.split('\\n')[0]); } };
     await said(() => eventSink());
     await said(() => eventSink({ url: 'trigger:8080' }));
     await said(() => { process.env.K_SINK = 'ftp://trigger/'; eventSink(); });
     const sink = eventSink({ url: 'http://127.0.0.1:1/' });
     await said(() => sink.send({ type: 'x', 'my-attribute': 1 }));
     await said(() => sink.send({ type: '' }));`,
  );
  t.same(stdout.trimEnd().split('\n'), [
    'K_SINK is not set: it says where events are sent to, such as http://trigger:8080/. Mayfly sets it where benchmark.yaml names a broker; elsewhere set it, or give eventSink({ url })',
    'url is "trigger:8080": it must be an address such as http://trigger:8080/',
    'K_SINK is "ftp://trigger/": it must be an address such as http://trigger:8080/',
    'invalid extension name: my-attribute',
    'invalid payload',
  ]);
});

t.test('ready() waits for a sink that is not there yet, then for one that is not ready', async (t) => {
  const port = await freePort();
  const running = start(
    t,
    `${USE}
     import dns from 'node:dns';
     let tries = 0;
     const { lookup } = dns;
     dns.lookup = (host, options, done) => {
       if (host !== 'trigger') return lookup(host, options, done);
       if (++tries <= 2) return done(Object.assign(new Error('getaddrinfo ENOTFOUND trigger'), { code: 'ENOTFOUND' }));
       if (tries === 3) console.log('looked up');
       lookup('127.0.0.1', options, done);
     };
     await eventSink({ url: 'http://trigger:${port}/events' }).ready();
     console.log('ready');`,
  );
  await running.said(/looked up/);
  await running.said(/level=warn msg="waiting for the sink" sink=http:\/\/trigger:\d+\/events why=/);
  let answers = [503, 503, 200];
  const sink = await sinkOf(t, (_, response) => response.writeHead(answers.shift() ?? 500), port);
  const { stdout, code } = await running.ended;
  t.equal(code, 0);
  t.match(stdout, /ready\n$/);
  t.equal(stdout.match(/waiting for the sink/g)!.length, 1, 'told once');
  t.same(
    sink.asked.map(({ method, url }) => `${method} ${url}`),
    Array(3).fill('GET /healthz'),
  );
  answers = [404];
  const other = await run(t, `${USE} await eventSink({ url: '${sink.url}' }).ready();`);
  t.match(other, { code: 0, stdout: '' }, 'a sink without such a path is there as well');
});

const event = (more: object = {}) =>
  new CloudEvent({ id: '1', source: '/s', type: 'x.y', data: { order: 7 }, ...more });

async function post(
  port: number,
  given: CloudEvent<unknown>,
  { mode = 'binary' as 'binary' | 'structured', headers = {} } = {},
) {
  const message = HTTP[mode](given);
  const answer = await fetch(`http://127.0.0.1:${port}/`, {
    method: 'POST',
    headers: { ...(message.headers as Record<string, string>), ...headers },
    body: message.body as string,
  });
  return `${answer.status} ${await answer.text()}`;
}

/** A consumer; `handler` is its code. */
async function consumer(
  t: Test,
  handler: string,
  { env = {}, options = '' }: { env?: NodeJS.ProcessEnv; options?: string } = {},
) {
  const running = start(
    t,
    `${USE}
     tracing.start();
     const { port } = await serveEvents(${handler}, { port: 0, host: '127.0.0.1', ${options} });
     console.log('port ' + port);`,
    { env },
  );
  const port = Number(/port (\d+)/.exec(await running.said(/port \d+\n/))![1]);
  return { ...running, port };
}

t.test('an event that is consumed: in both modes, its record is there before the answer', async (t) => {
  const dir = t.testdir();
  const { port, process } = await consumer(
    t,
    `async (event, { trigger }) => { await sleep(20); log.info('consumed', { id: event.id, data: event.data, priority: event.priority, trigger }); }`,
    { env: { MAYFLY_TELEMETRY: dir } },
  );
  const before = Date.now();
  const extensions = { priority: 'high', sequence: '17', scheduled: '1764367200000.25' };
  t.equal(await post(port, event(extensions), { headers: { 'mayfly-trigger': 'orders' } }), '204 ');
  const [[name]] = Object.entries(recordsIn(dir)) as [[string, unknown]];
  const [record] = recordsIn(dir)[name]! as any[];
  t.match(record, { e: 'consumed', id: '1', source: '/s', seq: 17, trigger: 'orders', scheduled: 1764367200000.25 });
  t.ok(record.t >= before - 5 && record.end - record.t >= 19, `${record.t} to ${record.end}`);
  t.equal(await post(port, event({ id: '2' }), { mode: 'structured' }), '204 ');
  t.match(recordsIn(dir)[name]![1], { id: '2', seq: null, trigger: null, scheduled: null });
  process.kill('SIGKILL');
});

t.test('an event that fails: no record, its error is logged, and the answer is what it asks for', async (t) => {
  const dir = t.testdir();
  const { port, said } = await consumer(
    t,
    `(event) => { throw Object.assign(new Error('out of stock'), event.data.order === 8 ? { status: 429 } : { status: 12 }); }`,
    { env: { MAYFLY_TELEMETRY: dir } },
  );
  t.equal(await post(port, event()), '500 the event 1 failed: out of stock\n');
  t.equal(await post(port, event({ data: { order: 8 } })), '429 the event 1 failed: out of stock\n');
  t.match(
    await said(/level=error/),
    /level=error msg="an event failed" id=1 source=\/s type=x\.y error="Error: out of stock" error_stack="at /,
  );
  t.same(recordsIn(dir), {});
});

t.test('what is no event, too large, or another path', async (t) => {
  const { port, said, process } = await consumer(t, '() => {}', { options: 'maxBytes: 100' });
  const ask = async (path: string, init: RequestInit = {}) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, init);
    return `${answer.status} ${await answer.text()}`;
  };
  t.equal(await ask('/healthz'), '200 ok\n');
  t.equal(await ask('/'), '405 events are sent by POST; GET /healthz tells of health\n');
  t.match(await ask('/', { method: 'POST' }), /^400 the attribute id is missing: /);
  t.match(
    await said(/refused/),
    /level=warn msg="refused what is no event" why="the attribute id is missing: [^"]*" id=null/,
  );
  t.equal(await post(port, event({ data: 'x'.repeat(200) })), '413 a request has at most 100 bytes\n');
  const chunks = new ReadableStream({
    start(stream) {
      for (let n = 0; n < 20; n++) stream.enqueue(Buffer.alloc(10));
      stream.close();
    },
  });
  t.match(await ask('/', { method: 'POST', body: chunks, duplex: 'half' } as RequestInit), /^413 /, 'without a length');
  const socket = connect(port, '127.0.0.1');
  socket.write('POST / HTTP/1.1\r\nhost: x\r\nce-id: 1\r\ncontent-length: 50\r\n\r\nhalf');
  await sleep(50);
  socket.destroy();
  t.equal(await post(port, event()), '204 ', 'a sender that goes away in the middle harms nobody');
  process.kill('SIGKILL');
});

t.test('many at once: how many is for who sends', async (t) => {
  const { port } = await consumer(t, '() => sleep(300)');
  const began = performance.now();
  const answers = await Promise.all([...Array(50).keys()].map((id) => post(port, event({ id: String(id) }))));
  t.ok(answers.every((answer) => answer === '204 '));
  t.ok(performance.now() - began < 10_000, 'not one after the other');
});

t.test('SIGTERM finishes what is under way, takes no more, sends the spans, and ends with 0', async (t) => {
  const server = await zipkin(t);
  const dir = t.testdir();
  const { port, process, said, ended } = await consumer(t, `async () => { console.log('begun'); await sleep(400); }`, {
    env: { OTEL_EXPORTER_ZIPKIN_ENDPOINT: server.url, OTEL_SERVICE_NAME: 'consumer', MAYFLY_TELEMETRY: dir },
  });
  const answer = post(port, event());
  await said(/begun/);
  process.kill('SIGTERM');
  t.equal(await answer, '204 ');
  t.match(await ended, { code: 0, stderr: '' });
  t.equal(Object.values(recordsIn(dir)).flat().length, 1);
  t.match(server.spans, [{ name: 'consume x.y', kind: 'CONSUMER' }]);
  await t.rejects(post(port, event()), 'nobody is there any more');
});

t.test('SIGTERM does not wait for an event that never ends', async (t) => {
  const { port, process, said, ended } = await consumer(
    t,
    `async () => { console.log('begun'); await new Promise(() => setInterval(() => {}, 1000)); }`,
  );
  const answer = post(port, event());
  answer.catch(() => {});
  await said(/begun/);
  process.kill('SIGTERM');
  t.match(await ended, { code: 0 });
  await t.rejects(answer);
});

t.test('a trace goes through: from the producer by the traceparent of the event, or of the request', async (t) => {
  const server = await zipkin(t);
  const env = (OTEL_SERVICE_NAME: string) => ({
    OTEL_EXPORTER_ZIPKIN_ENDPOINT: server.url,
    OTEL_TRACES_SAMPLER: 'always_on',
    OTEL_SERVICE_NAME,
  });
  const { port, process, ended } = await consumer(t, `(event) => log.info('got', { id: event.id })`, {
    env: env('consumer'),
  });
  const producer = await run(
    t,
    `${USE}
     tracing.start();
     await tracing.span('order', {}, () => eventSink().send({ type: 'x.y', id: 'a' }), { kind: 'server' });
     await tracing.stop();`,
    { env: { ...env('producer'), K_SINK: `http://127.0.0.1:${port}/` } },
  );
  t.match(producer, { code: 0, stderr: '' });
  const hop = '00-11112222333344445555666677778888-0123456789abcdef-01';
  await post(port, event({ id: 'b', traceparent: '00-00000000000000000000000000000001-0000000000000001-01' }), {
    headers: { traceparent: hop, 'mayfly-trigger': 'orders' },
  });
  process.kill('SIGTERM');
  const { stdout } = await ended;
  const [order, send, consume] = ['order', 'send x.y', 'consume x.y'].map(
    (name) => server.spans.find((one) => one.name === name)!,
  );
  t.match(
    [send, consume],
    [
      { traceId: order!.traceId, parentId: order!.id, kind: 'PRODUCER', localEndpoint: { serviceName: 'producer' } },
      { traceId: order!.traceId, parentId: send!.id, kind: 'CONSUMER', localEndpoint: { serviceName: 'consumer' } },
    ],
  );
  t.match(send!.tags, { 'event.id': 'a', 'event.type': 'x.y' });
  const last = server.spans.find(({ traceId }) => traceId.startsWith('1111'))!;
  t.match(last, {
    parentId: '0123456789abcdef',
    tags: { 'event.id': 'b', 'event.source': '/s', 'event.trigger': 'orders' },
  });
  t.match(stdout, new RegExp(`trace=${order!.traceId} msg="got" id=a\\n`));
});
