/** Log lines: what they look like, and that nothing of what is logged can break them, or the function. */
import t, { type Test } from 'tap';
import { moduleOf, run, start } from './run-function.ts';

const USE = `import { log } from ${moduleOf('log')};\n`;
const TS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/;

const lines = async (t: Test, code: string, env: NodeJS.ProcessEnv = {}) => {
  const { stdout, stderr, code: status } = await run(t, USE + code, { env });
  t.same([status, stderr], [0, '']);
  return stdout.trimEnd().split('\n');
};

/** Both formats of one line: what follows the time. */
async function both(t: Test, fields: string): Promise<{ logfmt: string; json: any }> {
  const code = `log.info('m', ${fields});`;
  const [logfmt] = await lines(t, code);
  const [json] = await lines(t, code, { LOG_FORMAT: 'json' });
  const { ts, level, msg, ...rest } = JSON.parse(json!);
  t.match({ ts, level, msg }, { ts: TS, level: 'info', msg: 'm' });
  return { logfmt: /^ts=\S{30} level=info msg="m" ?([^]*)$/.exec(logfmt!)![1]!, json: rest };
}

t.test('a line of each format has the same keys', async (t) => {
  const code = `log.info('order placed', { order: 7, customer: 'Ada L.', gone: undefined });`;
  const [logfmt] = await lines(t, code, { OTEL_SERVICE_NAME: 'consumer' });
  const ts = /^ts=(\S+) /.exec(logfmt!)![1]!;
  t.match(ts, TS);
  t.equal(logfmt, `ts=${ts} level=info service=consumer msg="order placed" order=7 customer="Ada L."`);
  const [json] = await lines(t, code, { OTEL_SERVICE_NAME: 'consumer', LOG_FORMAT: 'json' });
  const found = JSON.parse(json!);
  t.match(found.ts, TS);
  t.same(
    { ...found, ts: '' },
    { ts: '', level: 'info', service: 'consumer', msg: 'order placed', order: 7, customer: 'Ada L.' },
  );
  t.same(Object.keys(found), ['ts', 'level', 'service', 'msg', 'order', 'customer']);
  t.match(await lines(t, `log.info('started');`), [/^ts=\S{30} level=info msg="started"$/]);
});

t.test('times are those of the clock, in order, and of nine digits whatever they are', async (t) => {
  const before = Date.now();
  const found = (await lines(t, `for (let n = 0; n < 20_000; n++) log.info('x');`)).map((line) => line.slice(3, 33));
  const after = Date.now();
  t.equal(found.length, 20_000);
  t.ok(found.every((ts) => TS.test(ts)));
  t.ok(
    found.every((ts, n) => n === 0 || ts >= found[n - 1]!),
    'in order',
  );
  const [first, last] = [found[0]!, found.at(-1)!].map((ts) => Date.parse(`${ts.slice(0, 23)}Z`));
  t.ok(first! >= before - 5 && last! <= after + 5, `${before} ${first} ${last} ${after}`);
  t.ok(new Set(found.map((ts) => ts.slice(26, 29))).size > 500, 'to the nanosecond, not to the millisecond');
});

t.test('levels', async (t) => {
  const code = `for (const level of ['debug', 'info', 'warn', 'error']) log[level](level);`;
  const said = async (level?: string) =>
    (await lines(t, code, level === undefined ? {} : { LOG_LEVEL: level })).map(
      (line) => / level=(\w+) /.exec(line)?.[1],
    );
  t.same(await said(), ['info', 'warn', 'error']);
  t.same(await said('debug'), ['debug', 'info', 'warn', 'error']);
  t.same(await said('error'), ['error']);
});

t.test('a flag that cannot be: one line on stderr, and the default', async (t) => {
  const { stdout, stderr } = await run(t, `${USE} log.debug('no'); log.info('yes');`, {
    env: { LOG_FORMAT: 'xml', LOG_LEVEL: 'loud' },
  });
  t.match(stdout, /^ts=\S{30} level=info msg="yes"\n$/);
  t.equal(
    stderr,
    'mayfly-functions: LOG_FORMAT is "xml": it must be one of logfmt, json. It is logfmt now\n' +
      'mayfly-functions: LOG_LEVEL is "loud": it must be one of debug, info, warn, error. It is info now\n',
  );
});

t.test('what a value is, it is in both formats', async (t) => {
  const cases: [string, string, unknown][] = [
    [`'plain'`, 'plain', 'plain'],
    [`''`, '""', ''],
    [`'two words'`, '"two words"', 'two words'],
    [`'a=b'`, '"a=b"', 'a=b'],
    [`'say "hi" \\\\ there'`, '"say \\"hi\\" \\\\ there"', 'say "hi" \\ there'],
    [`'null'`, '"null"', 'null'],
    [`null`, 'null', null],
    [`true`, 'true', true],
    [`-1.5`, '-1.5', -1.5],
    [`NaN`, 'NaN', 'NaN'],
    [`12345678901234567890n`, '12345678901234567890', '12345678901234567890'],
    [`Symbol('s')`, 'Symbol(s)', 'Symbol(s)'],
    [`function work() {}`, '"[Function: work]"', '[Function: work]'],
    [`new Date(0)`, '1970-01-01T00:00:00.000Z', '1970-01-01T00:00:00.000Z'],
    [`new Date('x')`, '"Invalid Date"', 'Invalid Date'],
    [`{ a: [1, 'x'] }`, '"{\\"a\\":[1,\\"x\\"]}"', { a: [1, 'x'] }],
    [`new Map([['a', 1]])`, `"Map(1) { 'a' => 1 }"`, `Map(1) { 'a' => 1 }`],
    [`new (class Order { id = 1 })()`, '"Order { id: 1 }"', 'Order { id: 1 }'],
    [`Buffer.from('abc')`, '"616263 (3 bytes)"', '616263 (3 bytes)'],
    [`Buffer.alloc(40, 1)`, `"${'01'.repeat(32)}... (40 bytes)"`, `${'01'.repeat(32)}... (40 bytes)`],
    [`{ big: 1n }`, '"{ big: 1n }"', '{ big: 1n }'],
    [
      `(() => { const o = {}; o.o = o; return o; })()`,
      '"<ref *1> { o: [Circular *1] }"',
      '<ref *1> { o: [Circular *1] }',
    ],
    [`'é \\u{1f600}'`, '"é \u{1f600}"', 'é \u{1f600}'],
    [`'\\ud800'`, '"\\ud800"', '\ud800'],
  ];
  const { logfmt, json } = await both(t, `{ ${cases.map(([code], n) => `v${n}: ${code}`).join(', ')} }`);
  t.equal(logfmt, cases.map(([, text], n) => `v${n}=${text}`).join(' '));
  t.same(json, Object.fromEntries(cases.map(([, , value], n) => [`v${n}`, value])));
});

t.test('no control character gets out, nor a line break', async (t) => {
  const all = [...Array(0xa1).keys(), 0x2028, 0x2029].filter((code) => code < 0x20 || code > 0x7e);
  const text = String.fromCharCode(...all);
  for (const format of ['logfmt', 'json']) {
    const { stdout } = await run(
      t,
      `${USE} const text = ${JSON.stringify(text)}; log.info(text, { text, o: { text }, [text]: 1 });`,
      { env: { LOG_FORMAT: format } },
    );
    t.match(stdout, /^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*\n$/, format);
    if (format === 'logfmt') t.match(stdout, /msg="\\u0000\\u0001.*\\n.*\\u001b.*\\u007f\\u0080.*\\u2029"/);
    else t.equal(JSON.parse(stdout).text, text, 'nothing is lost');
  }
});

t.test('names of fields', async (t) => {
  const { logfmt, json } = await both(
    t,
    `{ 'a b': 1, 'c="d"': 2, '': 3, msg: 4, ts: 5, level: 6, service: 7, trace: 8 }`,
  );
  t.equal(logfmt, 'a_b=1 c__d_=2 _=3 msg_=4 ts_=5 level_=6 service_=7 trace_=8');
  t.same(json, { 'a b': 1, 'c="d"': 2, '': 3, msg_: 4, ts_: 5, level_: 6, service_: 7, trace_: 8 });
});

t.test('errors: what they say, with their causes, and where they were', async (t) => {
  const { logfmt, json } = await both(
    t,
    `{ error: new TypeError('no such thing.', { cause: new Error('deep', { cause: 'deeper' }) }) }`,
  );
  t.match(json, {
    error: 'TypeError: no such thing (cause: Error: deep (cause: deeper))',
    error_stack: /^at \S.*(\nat .*)*$/,
  });
  t.match(logfmt, /^error="TypeError: no such thing \(cause: Error: deep \(cause: deeper\)\)" error_stack="at [^"]*"$/);
});

t.test('what cannot be shown says so, and nothing throws', async (t) => {
  const { json } = await both(
    t,
    `{
      get getter() { throw new Error('not now.'); },
      toJSON: { toJSON() { throw new Error('no'); } },
      proxy: new Proxy({}, { getPrototypeOf() { throw new Error('of a proxy'); } }),
      after: 1,
    }`,
  );
  t.match(json, { getter: 'cannot be shown: not now', proxy: 'cannot be shown: of a proxy', after: 1 });
  t.type(json.toJSON, 'string');
});

t.test('a long value is cut, and says how long it was', async (t) => {
  const { json } = await both(t, `{ long: 'x'.repeat(10_000), many: Array(10_000).fill(1) }`);
  t.equal(json.long, `${'x'.repeat(8192)}... (10000 characters)`);
  t.match(json.many, /^\[1,1,.*\.\.\. \(20001 characters\)$/);
});

t.test('a pipe that nobody empties: lines wait, and are whole', async (t) => {
  // The descriptor does not block, as when something has touched process.stdout.
  const running = start(
    t,
    `${USE} process.stdout.write('ready\\n'); for (let n = 0; n < 5_000; n++) log.info('n'.repeat(90), { n }); log.info('end');`,
  );
  const { stdout } = running.process;
  await running.said(/ready/);
  stdout!.pause();
  await new Promise((done) => setTimeout(done, 100));
  stdout!.resume();
  const found = (await running.ended).stdout.trimEnd().split('\n').slice(1);
  t.equal(found.length, 5_001);
  t.ok(found.slice(0, -1).every((line, n) => line.endsWith(` msg="${'n'.repeat(90)}" n=${n}`)));
});

t.test('nobody listens: the function goes on', async (t) => {
  const through = ['bash', '-c', 'exec "$@" 1>&-', 'bash'];
  const { code, stderr } = await run(t, `${USE} log.info('x'); process.stderr.write('on');`, { through });
  t.same([code, stderr], [0, 'on']);
});

t.test('threads write whole lines beside each other', async (t) => {
  const found = await lines(
    t,
    `import { Worker, isMainThread } from 'node:worker_threads';
     const code = 'import(' + JSON.stringify(${moduleOf('log')}) + ').then(({ log }) => { for (let n = 0; n < 2000; n++) log.info("of a thread", { n }); })';
     const threads = [1, 2].map(() => new Worker(code, { eval: true }));
     await Promise.all(threads.map((thread) => new Promise((done) => thread.on('exit', done))));`,
  );
  t.equal(found.length, 4_000);
  t.ok(found.every((line) => /^ts=\S{30} level=info msg="of a thread" n=\d+$/.test(line)));
});
