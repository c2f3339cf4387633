/** Spans: of gRPC calls, of work and of events, to a server that takes them as Zipkin does. */
import t, { type Test } from 'tap';
import { moduleOf, run, start } from './run-function.ts';
import { type ZipkinSpan, zipkin } from './zipkin.ts';

const USE = `
  import { tracing } from ${moduleOf('tracing')};
  import { log } from ${moduleOf('log')};
  import { setTimeout as sleep } from 'node:timers/promises';
`;

/** A service of gRPC with methods of every kind, and a client of it. Both ends are traced. */
const GRPC = `${USE}
  import { createRequire } from 'node:module';
  const grpc = createRequire(${JSON.stringify(import.meta.url)})('@grpc/grpc-js');
  const bytes = { requestSerialize: Buffer.from, requestDeserialize: String, responseSerialize: Buffer.from, responseDeserialize: String };
  const method = (name, requestStream = false, responseStream = false) => ({ path: '/test.Work/' + name, requestStream, responseStream, ...bytes });
  const definition = { Do: method('Do'), Many: method('Many', false, true), Sum: method('Sum', true, false) };
  const serve = async (methods, more = []) => {
    const server = new grpc.Server({ interceptors: [tracing.grpcServer(), ...more] });
    server.addService(Object.fromEntries(Object.keys(methods).map((name) => [name, definition[name]])), methods);
    const port = await new Promise((done, fail) =>
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => (error ? fail(error) : done(port))));
    return { server, address: '127.0.0.1:' + port };
  };
  const Client = grpc.makeClientConstructor(definition, '');
  const client = (address, interceptors = [tracing.grpcClient()]) => new Client(address, grpc.credentials.createInsecure(), { interceptors });
  const call = (to, name, text, options = {}) =>
    new Promise((done) => to[name](text, new grpc.Metadata(), options, (error, reply) => done(error ? error.code : reply)));
`;

const traced = (url: string, more: NodeJS.ProcessEnv = {}) => ({
  OTEL_EXPORTER_ZIPKIN_ENDPOINT: url,
  OTEL_SERVICE_NAME: 'consumer',
  OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
  OTEL_TRACES_SAMPLER_ARG: '1',
  OTEL_RESOURCE_ATTRIBUTES: 'mayfly.side=candidate,mayfly.round=3',
  ...more,
});

/** Runs the code to its end, and gives what Zipkin has then. */
async function spansOf(t: Test, code: string, env: NodeJS.ProcessEnv = {}) {
  const server = await zipkin(t);
  const outcome = await run(t, code, { env: traced(server.url, env) });
  t.equal(outcome.stderr, '');
  const named = (name: string) => {
    const found = server.spans.filter((span) => span.name === name);
    if (found.length !== 1) throw new Error(`${found.length} spans are named ${name}`);
    return found[0] as ZipkinSpan;
  };
  return { ...outcome, spans: server.spans, named };
}

t.test('without an endpoint nothing of OpenTelemetry is loaded, and everything works', async (t) => {
  const { code, stdout, stderr } = await run(
    t,
    `${GRPC}
     tracing.start({ attributes: { a: 1 } });
     const { server, address } = await serve({ Do: (call, done) => done(null, String(call.metadata.get('traceparent').length)) });
     const reply = await call(client(address), 'Do', 'x');
     const event = { type: 'x' };
     console.log(JSON.stringify([
       reply,
       tracing.span('work', {}, () => 7),
       await tracing.span('work', {}, async () => 8),
       tracing.current(), tracing.ended('x', {}, { startMs: 1, endMs: 2 }),
       tracing.intoEvent(event) === event, tracing.counts(),
     ]));
     tracing.set({ b: 2 });
     await tracing.stop();
     const loaded = Object.keys(createRequire(import.meta.url).cache).filter((file) => file.includes('opentelemetry'));
     console.log(loaded.length);
     server.forceShutdown();`,
  );
  t.same([code, stderr], [0, '']);
  t.equal(stdout, '["0",7,8,null,null,true,{"sent":0,"lost":0,"waiting":0}]\n0\n');
});

t.test('a call is a span at each end, one within the other, within the times of the clock', async (t) => {
  const { named, spans, stdout } = await spansOf(
    t,
    `${GRPC}
     tracing.start({ attributes: { 'mayfly.hop': 'hop' } });
     const last = await serve({ Do: async (call, done) => { await sleep(20); log.info('asked'); done(null, 'done'); } });
     const next = client(last.address);
     const first = await serve({ Do: async (asked, done) => done(null, await call(next, 'Do', 'x', { parent: asked })) });
     const begin = performance.timeOrigin + performance.now();
     const reply = await tracing.span('client', { order: 7, odd: undefined }, () => call(client(first.address), 'Do', 'x'), { kind: 'client' });
     console.log(reply, begin, performance.timeOrigin + performance.now());
     await tracing.stop();
     process.exit(0);`,
  );
  const [, begin, end] = /^done (\S+) (\S+)$/m.exec(stdout)!.map(Number);
  t.equal(spans.length, 5);
  const root = named('client');
  t.match(root, { kind: 'CLIENT', localEndpoint: { serviceName: 'consumer' } });
  t.same(root.tags, {
    order: '7',
    'service.name': 'consumer',
    'mayfly.side': 'candidate',
    'mayfly.round': '3',
    'mayfly.hop': 'hop',
  });
  t.ok(
    spans.every(({ traceId }) => traceId === root.traceId),
    'one trace',
  );
  let above: ZipkinSpan = root;
  for (const kind of ['CLIENT', 'SERVER', 'CLIENT', 'SERVER']) {
    const below = spans.find(({ parentId }) => parentId === above.id)!;
    t.match(below, {
      name: 'test.Work/Do',
      kind,
      tags: { 'rpc.system': 'grpc', 'rpc.service': 'test.Work', 'rpc.method': 'Do', 'rpc.grpc.status_code': '0' },
    });
    t.ok(
      below.timestamp >= above.timestamp && below.timestamp + below.duration <= above.timestamp + above.duration + 1,
      `${below.timestamp}+${below.duration} within ${above.timestamp}+${above.duration}`,
    );
    t.notOk('error' in below.tags || 'otel.status_code' in below.tags);
    above = below;
  }
  t.ok(above.duration >= 19_000, `${above.duration} µs in the last function`);
  t.ok(root.timestamp >= begin! * 1000 - 1 && root.timestamp + root.duration <= end! * 1000 + 1, 'to the microsecond');
  t.match(stdout, new RegExp(`trace=${root.traceId} msg="asked"`), 'its log lines say which trace it is');
});

t.test('streams of both kinds, and health checks, which are none', async (t) => {
  const { spans, stdout } = await spansOf(
    t,
    `${GRPC}
     tracing.start();
     definition.Check = { ...definition.Do, path: '/grpc.health.v1.Health/Check' };
     const { server, address } = await serve({
       Many: (call) => { for (const word of ['a', 'b']) call.write(word + tracing.current().sampled); call.end(); },
       Sum: (call, done) => { let all = ''; call.on('data', (word) => (all += word)); call.on('end', () => done(null, all + tracing.current().sampled)); },
       Check: (call, done) => done(null, String(tracing.current())),
     });
     const All = grpc.makeClientConstructor(definition, '');
     const to = new All(address, grpc.credentials.createInsecure(), { interceptors: [tracing.grpcClient()] });
     console.log((await to.Many('x').toArray()).join());
     await new Promise((done) => {
       const sum = to.Sum((error, reply) => (console.log(error ?? reply), done()));
       sum.write('1'); sum.write('2'); sum.end();
     });
     console.log(await call(to, 'Check', 'x'));
     await tracing.stop();
     process.exit(0);`,
  );
  t.equal(stdout, 'atrue,btrue\n12true\nundefined\n');
  t.same(spans.map(({ name, kind }) => `${name} ${kind}`).sort(), [
    'test.Work/Many CLIENT',
    'test.Work/Many SERVER',
    'test.Work/Sum CLIENT',
    'test.Work/Sum SERVER',
  ]);
});

t.test('errors, deadlines and calls that are taken back: as without tracing, and the spans say so', async (t) => {
  const code = `${GRPC}
    tracing.start();
    let asked = 0;
    let cancelled = 0;
    const { address } = await serve({ Do: (call, done) => {
      asked++;
      if (call.request === 'bad') return done({ code: grpc.status.INVALID_ARGUMENT, details: 'no key' });
      if (call.request === 'fault') return done({ code: grpc.status.INTERNAL, details: 'it failed' });
      call.on('cancelled', () => (cancelled++, console.log('cancelled', Number.isFinite(Number(call.getDeadline())))));
    } });
    const to = client(address);
    console.log(await call(to, 'Do', 'bad'), await call(to, 'Do', 'fault'));
    console.log(await call(to, 'Do', 'slow', { deadline: Date.now() + 1500 }));
    while (cancelled < 1) await sleep(5);
    let back;
    const taken = new Promise((done) => {
      back = to.Do('slow', new grpc.Metadata(), {}, (error) => done(error.code));
    });
    while (asked < 4) await sleep(5);
    back.cancel();
    console.log(await taken);
    while (cancelled < 2) await sleep(5);
    console.log(await call(client('127.0.0.1:1'), 'Do', 'x'));
    await tracing.stop();
    process.exit(0);`;
  const { stdout, spans } = await spansOf(t, code);
  t.equal(stdout, '3 13\n4\ncancelled true\n1\ncancelled false\n14\n');
  t.equal((await run(t, code)).stdout, stdout, 'without tracing the same');
  const of = (kind: string) =>
    spans
      .filter((span) => span.kind === kind)
      .sort((a, b) => a.timestamp - b.timestamp)
      .map(({ tags }) => `${tags['rpc.grpc.status_code']} ${tags['otel.status_code'] ?? 'fine'} ${tags.error ?? ''}`);
  t.match(of('CLIENT'), [
    '3 ERROR no key',
    '13 ERROR it failed',
    /^4 ERROR Deadline exceeded/,
    /^1 ERROR Cancelled/,
    /^14 ERROR No connection/,
  ]);
  t.match(of('SERVER'), [
    '3 fine ',
    '13 ERROR it failed',
    /^(4 ERROR (its time was up|Deadline exceeded)|1 fine )$/,
    '1 fine ',
  ]);
});

t.test('work: what it returns and throws goes on, and errors are those of the span', async (t) => {
  const { stdout, named, spans } = await spansOf(
    t,
    `${USE}
     tracing.start();
     const said = async (work) => { try { return await work(); } catch (error) { return 'threw ' + error; } };
     console.log(await said(() => tracing.span('sync', {}, () => 1)));
     console.log(await said(() => tracing.span('async', {}, async () => { await sleep(30); tracing.set({ more: true }); return 2; })));
     console.log(await said(() => tracing.span('throws', {}, () => { throw new Error('of work.'); })));
     console.log(await said(() => tracing.span('rejects', {}, async () => { throw 'a text'; })));
     console.log(await said(() => tracing.span('nothing', {}, async () => { throw undefined; })));
     console.log(await tracing.span('outer', {}, async () => { await sleep(1); return tracing.span('inner', {}, () => tracing.current().spanId); }));
     console.log(tracing.current());
     await Promise.all([1, 2, 3].map((n) => tracing.span('at once ' + n, {}, async () => { await sleep(10); await tracing.span('within ' + n, {}, () => sleep(5)); })));
     const begin = 1764367200000.25;
     const parent = tracing.ended('queue', { 'mayfly.hop': 'broker' }, { startMs: begin, endMs: begin + 12.5, parent: '00-${'a'.repeat(32)}-${'b'.repeat(16)}-01' });
     tracing.span('deliver', {}, () => {}, { parent, kind: 'producer' });
     tracing.ended('no time', {}, { startMs: begin + 0.0001, endMs: begin - 5 });
     tracing.span('late', {}, () => {}, { parent: 'no traceparent', startMs: Date.now() - 1000 });
     await tracing.stop();`,
  );
  t.match(stdout, /^1\n2\nthrew Error: of work\.\nthrew a text\nthrew undefined\n[0-9a-f]{16}\nundefined\n$/);
  t.ok(named('async').duration >= 29_000);
  t.match(named('async').tags, { more: 'true' });
  t.match(named('throws').tags, { 'otel.status_code': 'ERROR', error: 'of work' });
  t.match(named('rejects').tags, { 'otel.status_code': 'ERROR', error: 'a text' });
  t.match(named('nothing').tags, { 'otel.status_code': 'ERROR', error: 'failed' });
  t.equal(named('inner').parentId, named('outer').id);
  for (const n of [1, 2, 3]) t.equal(named(`within ${n}`).parentId, named(`at once ${n}`).id, 'each in its own');
  t.match(named('queue'), {
    traceId: 'a'.repeat(32),
    parentId: 'b'.repeat(16),
    timestamp: 1764367200000250,
    duration: 12_500,
    tags: { 'mayfly.hop': 'broker' },
  });
  t.match(named('deliver'), { traceId: 'a'.repeat(32), parentId: named('queue').id, kind: 'PRODUCER' });
  t.ok(named('late').duration >= 1_000_000 && named('late').parentId === undefined);
  t.match(named('no time'), { timestamp: 1764367200000250, duration: 1 }, 'Zipkin takes 0 for a span without an end');
  t.equal(spans.length, 17);
});

t.test('the sampling rate: whole traces or none, and what a caller has decided counts', async (t) => {
  const { stdout, spans } = await spansOf(
    t,
    `${GRPC}
     tracing.start();
     const { address } = await serve({ Do: (call, done) => done(null, tracing.current().traceparent) });
     const to = client(address);
     let sampled = 0;
     for (let n = 0; n < 1000; n++) tracing.span('root', {}, () => tracing.span('child', {}, () => (sampled += tracing.current().sampled)));
     const roots = [];
     for (let n = 0; n < 50; n++) await tracing.span('call', {}, async () => roots.push([tracing.current(), await call(to, 'Do', 'x')]));
     const whole = roots.every(([{ traceId, sampled }, there]) => there.startsWith('00-' + traceId) && there.endsWith(sampled ? '01' : '00'));
     console.log(sampled, roots.filter(([{ sampled }]) => sampled).length, whole);
     for (const flags of ['00', '01']) tracing.span('of a caller ' + flags, {}, () => log.info(flags), { parent: '00-${'f'.repeat(32)}-${'b'.repeat(16)}-' + flags });
     await tracing.stop();
     process.exit(0);`,
    { OTEL_TRACES_SAMPLER_ARG: '0.3' },
  );
  const [, sampled, calls, whole] = /^(\d+) (\d+) (\w+)$/m.exec(stdout)!;
  t.equal(whole, 'true');
  t.ok(Number(sampled) > 200 && Number(sampled) < 400, `${sampled} of 1000`);
  const count = (name: string) => spans.filter((span) => span.name === name).length;
  t.same([count('root'), count('child')], [Number(sampled), Number(sampled)]);
  t.same([count('call'), count('test.Work/Do')], [Number(calls), 2 * Number(calls)]);
  t.same([count('of a caller 00'), count('of a caller 01')], [0, 1]);
  t.match(stdout, /level=info service=consumer msg="00"$/m, 'a trace that is not recorded is in no log line');
  t.match(stdout, /level=info service=consumer trace=f{32} msg="01"$/m);
});

t.test('each sampler of the specification, and what is none', async (t) => {
  const code = `${USE}
    tracing.start();
    const parents = [undefined, '00-${'1'.repeat(32)}-${'b'.repeat(16)}-00', '00-${'f'.repeat(32)}-${'b'.repeat(16)}-01'];
    console.log(parents.map((parent) => tracing.span('x', {}, () => tracing.current()?.sampled, { parent })).join());
    await tracing.stop();`;
  const said = async (env: NodeJS.ProcessEnv) => {
    const { stdout, stderr } = await run(t, code, { env: traced((await zipkin(t)).url, env) });
    return `${stdout}${stderr}`;
  };
  const cases: [string | undefined, string | undefined, string][] = [
    [undefined, undefined, 'true,false,true\n'],
    ['always_on', undefined, 'true,true,true\n'],
    ['always_off', undefined, 'false,false,false\n'],
    ['parentbased_always_on', undefined, 'true,false,true\n'],
    ['parentbased_always_off', undefined, 'false,false,true\n'],
    ['traceidratio', '1', 'true,true,true\n'],
    ['traceidratio', '0', 'false,false,false\n'],
    ['parentbased_traceidratio', '0', 'false,false,true\n'],
    ['parentbased_traceidratio', undefined, 'true,false,true\n'],
    [
      'sometimes',
      undefined,
      'true,false,true\nmayfly-functions: OTEL_TRACES_SAMPLER is "sometimes": it must be one of always_on, ' +
        'parentbased_always_on, always_off, parentbased_always_off, traceidratio, parentbased_traceidratio. ' +
        'Every trace is recorded\n',
    ],
    [
      'traceidratio',
      '10%',
      'true,true,true\nmayfly-functions: OTEL_TRACES_SAMPLER_ARG is "10%": it must be a number from 0 to 1. Every trace ' +
        'is recorded\n',
    ],
  ];
  for (const [sampler, arg, text] of cases)
    t.equal(await said({ OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: arg }), text, `${sampler} ${arg}`);
});

t.test('attributes of the resource that cannot be, an address that is none', async (t) => {
  const { url, spans } = await zipkin(t);
  const code = `${USE} tracing.start(); tracing.span('x', {}, () => {}); await tracing.stop();`;
  const { stderr } = await run(t, code, { env: traced(url, { OTEL_RESOURCE_ATTRIBUTES: 'a=1%2C2, b ,c=%E0,d=e=f' }) });
  const why = 'It is left out; write key=value,key=value with %2C for a comma\n';
  t.equal(
    stderr,
    `mayfly-functions: OTEL_RESOURCE_ATTRIBUTES has " b ": there is no key=value. ${why}` +
      `mayfly-functions: OTEL_RESOURCE_ATTRIBUTES has "c=%E0": URI malformed. ${why}`,
  );
  t.same(spans[0]!.tags, { 'service.name': 'consumer', a: '1,2', d: 'e=f' });
  t.match(await run(t, `${code} console.log('on')`, { env: traced('zipkin') }), {
    code: 0,
    stdout: 'on\n',
    stderr:
      'mayfly-functions: cannot trace to zipkin: Invalid URL. There are no traces, the function goes on. Set ' +
      'OTEL_EXPORTER_ZIPKIN_ENDPOINT to an address such as http://zipkin:9411/api/v2/spans\n',
  });
});

t.test('spans go out a second after the last one, at the end of the process, and at SIGTERM', async (t) => {
  const server = await zipkin(t);
  const env = traced(server.url);
  const began = `${USE} tracing.start(); tracing.span('one', {}, () => {});`;

  const running = start(t, `${began} setInterval(() => {}, 1000); console.log('on');`, { env });
  await server.has(1);
  t.equal(running.process.exitCode, null, 'it still runs');
  running.process.kill('SIGKILL');

  t.match(await run(t, began, { env }), { code: 0, stderr: '' }, 'it ends by itself, and not before they are sent');
  t.equal(server.spans.length, 2);

  const without = start(t, `${began} setInterval(() => {}, 1000); console.log('on');`, { env });
  await without.said(/on/);
  without.process.kill('SIGTERM');
  t.match(await without.ended, { code: 143, stderr: '' }, 'nobody listens to the signal: it ends as without tracing');
  t.equal(server.spans.length, 3);

  const own = start(
    t,
    `${began}
     const timer = setInterval(() => {}, 1000);
     process.on('SIGTERM', () => tracing.stop().then(() => (console.log('stopped'), process.exit(0))));
     console.log('on');`,
    { env },
  );
  await own.said(/on/);
  own.process.kill('SIGTERM');
  t.match(await own.ended, { code: 0, stdout: 'on\nstopped\n' }, 'who listens ends by itself');
  t.equal(server.spans.length, 4);
});

t.test('while spans end all the time they go out 512 at once: sending costs more than they do', async (t) => {
  const server = await zipkin(t);
  const running = start(t, `${USE} tracing.start(); setInterval(() => tracing.span('one', {}, () => {}), 2);`, {
    env: traced(server.url),
  });
  await server.has(512);
  running.process.kill('SIGKILL');
  await running.ended;
  t.ok(server.batches.length <= 2, `batches: ${server.batches}`);
});

t.test('a Zipkin that is away: one line, the function goes on, and spans wait until it is there', async (t) => {
  const { url, spans } = await zipkin(t);
  const port = Number(new URL(url).port);
  const running = start(
    t,
    `${USE}
     import { createServer } from 'node:http';
     tracing.start();
     for (let n = 0; n < 10; n++) tracing.span('early', {}, () => {});
     await sleep(2500);
     console.log('waiting', tracing.counts().waiting);
     const taken = [];
     createServer(async (request, response) => {
       taken.push(...JSON.parse(Buffer.concat(await request.toArray())));
       response.writeHead(202).end();
       console.log('taken', taken.length);
     }).listen(Number(process.env.LATE), '127.0.0.1').unref();
     while (taken.length < 10) await sleep(20);
     await tracing.stop();
     process.exit(0);`,
    {
      env: traced(`http://127.0.0.1:${port + 1 > 65_535 ? port - 1 : port + 1}/api/v2/spans`, {
        LATE: String(port + 1 > 65_535 ? port - 1 : port + 1),
      }),
    },
  );
  const { stdout, stderr, code } = await running.ended;
  t.same([code, stdout], [0, 'waiting 10\ntaken 10\n']);
  t.match(
    stderr,
    /^mayfly-functions: cannot send spans to http:\/\/127\.0\.0\.1:\d+\/api\/v2\/spans: connect ECONNREFUSED 127\.0\.0\.1:\d+\. The function goes on, and tries again each second \(told once; up to 8192 spans wait\)\n$/,
  );
  t.equal(spans.length, 0);
});

t.test('a Zipkin that never comes, or refuses: what is lost is counted, memory is bounded', async (t) => {
  const away = await run(
    t,
    `${USE}
     tracing.start();
     for (let n = 0; n < 10_000; n++) tracing.span('x', {}, () => {});
     console.log(JSON.stringify(tracing.counts()));
     await tracing.stop();`,
    { env: traced('http://127.0.0.1:1/api/v2/spans') },
  );
  t.equal(away.stdout, '{"sent":0,"lost":1808,"waiting":8192}\n');
  t.equal(
    away.stderr,
    'mayfly-functions: cannot send spans to http://127.0.0.1:1/api/v2/spans: more than 8192 spans wait. The function ' +
      'goes on, and tries again each second (told once; up to 8192 spans wait)\n' +
      'mayfly-functions: 10000 spans were lost on their way to http://127.0.0.1:1/api/v2/spans, 0 were sent\n',
  );

  const { url, batches } = await zipkin(t, { status: 400 });
  const refused = await run(
    t,
    `${USE}
     tracing.start();
     for (let n = 0; n < 600; n++) tracing.span('x', {}, () => {});
     await tracing.stop();`,
    { env: traced(url) },
  );
  t.match(
    refused.stderr,
    /: Got unexpected status code from zipkin: 400\. The function goes on, [^\n]*\n.*: 600 spans were lost on their way to \S+, 0 were sent\n$/,
  );
  t.same(batches, [512, 88], 'in batches');
});

t.test('a Zipkin that takes the request and never answers does not hold up the end', async (t) => {
  const { createServer } = await import('node:http');
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  t.teardown(() => (silent.close(), silent.closeAllConnections()));
  await new Promise((done) => silent.once('listening', done));
  const { port } = silent.address() as { port: number };
  const { code, stdout } = await run(
    t,
    `${USE}
     tracing.start();
     tracing.span('x', {}, () => {});
     const began = performance.now();
     await tracing.stop();
     console.log(performance.now() - began < 1500);
     process.exit(0);`,
    { env: traced(`http://127.0.0.1:${port}/`) },
  );
  t.same([code, stdout], [0, 'true\n']);
});
