/**
 * What fails is told by kind, counted, cut off in bounded time, and never ends the load: bad servers, and bad scripts
 * while they run.
 */
import { createServer, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { classify } from '../../loadgen/failures.ts';
import { type Files, listening, measure, open, planFor, remember, start } from './generator.ts';

/** A server that speaks bytes: what it does is asked for by the path. */
function speaking(t: Test, answers: Record<string, (socket: Socket) => void>): Promise<string> {
  const server = createServer((socket) => {
    t.teardown(() => socket.destroy());
    socket
      .on('error', () => {})
      .on('data', (data) => {
        const path = /^\w+ (\S+) HTTP/.exec(String(data))?.[1];
        if (path) answers[path]!(socket);
      });
  });
  return listening(t, server);
}

/** Writes the same again and again until nobody reads it. */
function forEver(socket: Socket, text: string, everyMs: number): void {
  const timer = setInterval(() => socket.write(text), everyMs);
  socket.on('close', () => clearInterval(timer));
}

const HEAD = 'HTTP/1.1 200 OK\r\n';

t.test('each way of failing: its kind, how often, an example', async (t) => {
  const answers: Record<string, (socket: Socket) => void> = {
    '/reset': (socket) => socket.resetAndDestroy(),
    '/close': (socket) => socket.end(),
    '/short': (socket) => socket.end(`${HEAD}content-length: 100\r\n\r\nonly this`),
    '/cut-chunk': (socket) => socket.end(`${HEAD}transfer-encoding: chunked\r\n\r\n10\r\nonly`),
    '/silent': () => {},
    '/half-head': (socket) => socket.write(`${HEAD}content-le`),
    '/drip': (socket) => {
      socket.write(`${HEAD}\r\n`);
      forEver(socket, 'x', 20);
    },
    '/stuck-body': (socket) => socket.write(`${HEAD}content-length: 100\r\n\r\nhalf of it`),
    '/endless': (socket) => {
      socket.write(`${HEAD}\r\n`);
      forEver(socket, 'x'.repeat(50_000), 5);
    },
    '/large': (socket) => socket.end(`${HEAD}content-length: 300000\r\n\r\n${'x'.repeat(300_000)}`),
    '/garbage': (socket) => socket.end('\u0000\u0001 no HTTP at all \r\n\r\n'),
    '/bad-chunk': (socket) => socket.end(`${HEAD}transfer-encoding: chunked\r\n\r\nzz\r\n`),
    '/bad-header': (socket) => socket.end(`${HEAD}bad header\u0000: x\r\n\r\n`),
    '/two-lengths': (socket) => socket.end(`${HEAD}content-length: 1\r\ncontent-length: 2\r\n\r\nab`),
    '/many-headers': (socket) => socket.end(`${HEAD}${`x-fill: ${'y'.repeat(1000)}\r\n`.repeat(40)}\r\n`),
    '/500': (socket) => socket.end('HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n'),
    '/503': (socket) => socket.end('HTTP/1.1 503 Later\r\ncontent-length: 0\r\n\r\n'),
    '/404': (socket) => socket.end('HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n'),
    '/418': (socket) => socket.end('HTTP/1.1 418 Tea\r\ncontent-length: 0\r\n\r\n'),
    '/ok': (socket) => socket.end(`${HEAD}x-one: 1\r\ncontent-length: 5\r\n\r\nhello`),
    '/100': (socket) => socket.end(`HTTP/1.1 103 Early\r\nlink: x\r\n\r\n${HEAD}content-length: 0\r\n\r\n`),
  };
  const kinds: [path: string, kind: string, message: RegExp | null, options?: string][] = [
    ['/reset', 'reset ECONNRESET', /ECONNRESET/],
    ['/close', 'reset', /other side closed/],
    ['/short', 'reset', /./],
    ['/cut-chunk', 'reset', /./],
    ['/silent', 'timeout', /^no whole answer after 3000 ms$/],
    ['/half-head', 'timeout', /^no whole answer/],
    ['/drip', 'timeout', /^no whole answer/],
    ['/stuck-body', 'timeout', /^no whole answer after 300 ms$/, '{ timeoutMs: 300 }'],
    ['/endless', 'too-large', /^the answer went on after \d+ bytes$/],
    ['/large', 'too-large', /^the answer went on after \d+ bytes$/, '{ keep: true }'],
    ['/garbage', 'protocol', /HTTP/],
    ['/bad-chunk', 'protocol', /./],
    ['/bad-header', 'protocol', /./],
    ['/two-lengths', 'protocol', /./],
    ['/many-headers', 'too-large', /./],
    ['/500', 'status 500', /^status 500$/],
    ['/503', 'status 503', /^status 503, expected 200 or 201$/, '{ expect: { status: [200, 201] } }'],
    ['/404', 'status 404', /^status 404$/],
    ['/418', '', null, '{ expect: { status: 418 } }'],
    ['/ok', '', null, `{ expect: { status: 200, headers: { 'X-One': '1' }, body: /hel/g } }`],
    ['/ok', 'status 200', /^status 200, expected 201$/, '{ expect: { status: 201 } }'],
    ['/ok', 'check header x-two', /^header x-two is missing, expected 2$/, `{ expect: { headers: { 'x-two': '2' } } }`],
    ['/ok', 'check header x-one', /^header x-one is "1", expected \/9\/$/, `{ expect: { headers: { 'x-one': /9/ } } }`],
    ['/ok', 'check body', /^the body does not hold bye: hello$/, `{ expect: { body: 'bye' } }`],
    ['/100', '', null],
  ];
  const url = await speaking(t, answers);
  const script = `
    import { defineLoad } from 'mayfly/load';
    const cases = [${kinds.map(([path, , , options = '{}'], i) => `['${path}', { name: 'case ${i}', ...${options} }]`).join(', ')}];
    export default defineLoad({ http: { maxAnswerBytes: 200_000 } }, ({ http, pair }) => http.get(...cases[pair % cases.length]));`;
  const {
    sides: [side],
    rows,
  } = await measure(t, script, planFor([url], { model: open(100, (2 * kinds.length) / 100), timeoutS: 3 }));
  const failing = kinds.filter(([, kind]) => kind);
  t.match(side, {
    iterations: 2 * kinds.length,
    requests: 2 * kinds.length,
    failed: 2 * failing.length,
    dropped: { measure: 0 },
  });
  for (const [i, [path, kind]] of kinds.entries()) {
    const mine = rows.filter(({ name }) => name === `case ${i}`);
    t.same(
      mine.map(({ failure }) => failure),
      [0, 1].map(() => kind.split(' ')[0] || null),
      `case ${i}: ${path}, ${JSON.stringify(side!.failures.find(({ example }) => example.name === `case ${i}`))}`,
    );
    t.match(
      side!.names.find(({ name }) => name === `case ${i}`),
      { requests: 2, failed: kind ? 2 : 0 },
    );
    if (kind === 'timeout')
      t.ok(
        mine.every(({ latency }) => latency >= 0.3 && latency < 15),
        'cut off when its time is over',
      );
  }
  // Those of one kind and detail are one line, with the first as its example.
  const count = (of: string) => 2 * failing.filter(([, kind]) => kind === of).length;
  for (const [, kind, message] of failing) {
    const [name, ...detail] = kind.split(' ');
    const lines = side!.failures.filter(
      (one) => one.kind === name && (detail.length === 0 || one.detail === detail.join(' ')),
    );
    if (detail.length > 0) t.match(lines, [{ count: count(kind), example: { message } }], kind);
  }
  t.equal(
    side!.failures.reduce((sum, { count }) => sum + count, 0),
    2 * failing.length,
  );
  t.match(
    side!.failures.find(({ kind }) => kind === 'timeout'),
    { count: 8, example: { message: /^no whole answer/ } },
  );
});

t.test('a server that is not there; one that is hard to reach', async (t) => {
  const { url } = await remember(t);
  const {
    sides: [gone, here],
  } = await measure(
    t,
    `import { defineLoad } from 'mayfly/load'; export default defineLoad(({ http }) => http.get('/', { name: 'page' }));`,
    planFor(['http://127.0.0.1:1', url], { model: open(50, 0.4) }),
  );
  t.match(gone, {
    iterations: 20,
    failed: 20,
    failures: [
      {
        kind: 'refused',
        detail: 'ECONNREFUSED',
        count: 20,
        example: { name: 'page', request: 'GET /', message: 'connect ECONNREFUSED 127.0.0.1:1' },
      },
    ],
  });
  t.equal(gone!.failures.length, 1);
  t.match(here, { iterations: 20, failed: 0, failures: [] }, 'the other side does not mind');
});

t.test('errors of clients by kind', async (t) => {
  const of = (code: string, more: object = {}) => classify(Object.assign(new Error('said'), { code }, more));
  const cases: [code: string, kind: string][] = [
    ['ECONNREFUSED', 'refused'],
    ['ECONNRESET', 'reset'],
    ['EPIPE', 'reset'],
    ['UND_ERR_SOCKET', 'reset'],
    ['ERR_STREAM_PREMATURE_CLOSE', 'reset'],
    ['ERR_HTTP2_STREAM_ERROR', 'reset'],
    ['ERR_HTTP2_GOAWAY_SESSION', 'reset'],
    ['ETIMEDOUT', 'timeout'],
    ['UND_ERR_CONNECT_TIMEOUT', 'timeout'],
    ['ENOTFOUND', 'dns'],
    ['EAI_AGAIN', 'dns'],
    ['EHOSTUNREACH', 'unreachable'],
    ['ENETUNREACH', 'unreachable'],
    ['EMFILE', 'unreachable'],
    ['UND_ERR_HEADERS_OVERFLOW', 'too-large'],
    ['HPE_INVALID_CONSTANT', 'protocol'],
    ['UND_ERR_INVALID_ARG', 'script'],
    ['UND_ERR_UNKNOWN', 'protocol'],
    ['ERR_HTTP2_ERROR', 'protocol'],
    ['CERT_HAS_EXPIRED', 'tls'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'tls'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'tls'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls'],
    ['EPROTO', 'tls'],
    ['', 'error'],
    ['EWHATEVER', 'error'],
  ];
  for (const [code, kind] of cases) t.match(of(code), { kind, message: 'said' }, code);
  t.match(of('', { cause: Object.assign(new Error('inner'), { code: 'ECONNREFUSED' }) }), {
    kind: 'refused',
    message: 'inner',
  });
  t.match(
    classify(
      Object.assign(
        new AggregateError(
          [Object.assign(new Error('first address'), { code: 'ECONNREFUSED' }), new Error('second')],
          '',
        ),
        { code: 'ECONNREFUSED' },
      ),
    ),
    { kind: 'refused', message: 'first address' },
  );
  for (const odd of ['a text', undefined, null, 7, {}, { code: 42 }, { message: 9 }])
    t.match(classify(odd), { kind: 'error', message: /./ }, String(odd));
  const loop: { cause?: unknown } = new Error('round and round');
  loop.cause = Object.assign(new Error('again'), { cause: loop });
  t.match(classify(loop), { kind: 'error' });
});

const script = (iterate: string, before = '') =>
  `import { defineLoad } from 'mayfly/load';\n${before}\nexport default defineLoad(${iterate});`;

t.test('what a script prints is no event', async (t) => {
  const { url } = await remember(t);
  const text = script(
    `({ http }) => {
    console.log('{"event":"result","result":"logged"}');
    process.stdout.write('{"event":"fault","message":"written"}\\n');
    return http.get('/');
  }`,
    `console.log('loaded'); process.stdout.write('and more'); print('by another way');`.replace(
      'print(',
      'console.error(',
    ),
  );
  const { sides, stderr } = await measure(t, text, planFor([url], { model: open(20, 0.2) }));
  t.match(sides, [{ requests: 4 }]);
  for (const said of ['loaded', 'and more', 'by another way', '"logged"', '"written"'])
    t.ok(stderr.includes(said), said);
});

t.test('a script that throws, or answers that are not what it takes them for: counted, with the place', async (t) => {
  const { url } = await remember(t);
  const text = script(`async ({ http, pair, random }) => {
    if (pair === 1) throw new Error('no luck');
    if (pair === 2) return (await http.get('/2', { keep: true })).json();
    if (pair === 3) throw 'a text';
    if (pair === 4) return Promise.reject(null);
    if (pair === 5) return missing.function();
    return http.get('/');
  }`);
  const {
    sides: [side],
  } = await measure(t, text, planFor([url], { model: open(20, 0.4) }));
  t.match(side, { due: 8, iterations: 8, requests: 4, failed: 5, response: { count: 3 } });
  t.match(side!.failures, [{ kind: 'script', count: 5, example: { message: 'load.ts:4 no luck' } }]);
});

t.test('what the script leaves behind: requests that nobody waits for, requests after the end', async (t) => {
  const { url, seen } = await remember(t);
  const text = script(`({ http, pair }) => {
    http.get('/one');
    void http.get('/two');
    setTimeout(() => http.get('/late'), 50);
  }`);
  const {
    sides: [side],
  } = await measure(t, text, planFor([url], { model: open(20, 0.5) }));
  t.match(side, { due: 10, iterations: 10, response: { count: 10 }, failures: [] }, 'each iteration ends once');
  t.same(
    side!.names.filter(({ name }) => name !== 'GET /late').map(({ name, requests }) => [name, requests]),
    [
      ['GET /one', 10],
      ['GET /two', 10],
    ],
  );
  t.ok(seen.length >= 20);
});

/** Runs a script that must not be able to keep the generator from its end. */
async function ends(t: Test, files: string | Files, plan = planFor(['http://127.0.0.1:1'])) {
  const { code, events, stderr } = await start(t, files, plan).ended;
  const fault = events.find((one) => one.event === 'fault');
  const result = events.find((one) => one.event === 'result')?.result.sides[0];
  return { code, fault, result, stderr };
}

t.test('a script that ends the generator, or throws where nobody waits: a fault with a sentence', async (t) => {
  const cases: [iterate: string, message: RegExp][] = [
    ['() => process.exit(0)', /^load\.ts ended .*process\.exit\(\)/],
    [`() => { setTimeout(() => { throw new Error('too late'); }, 1); }`, /load\.ts:3 too late/],
    [`() => { Promise.reject(new Error('nobody waits')); }`, /load\.ts:3 nobody waits/],
    [`() => { Promise.reject('a text'); }`, /a text/],
    [`() => { setTimeout(() => { throw 'a text'; }, 1); }`, /a text/],
  ];
  await Promise.all(
    cases.map(async ([iterate, message]) => {
      const { code, fault } = await ends(t, script(iterate));
      t.match(fault, { message }, iterate);
      t.ok(code === 2 || code === 3, `exit code ${code}`);
      t.notMatch(fault!.message, /undefined|\/work|\/tmp|node_modules/);
    }),
  );
});

t.test('an iteration that never ends is cut off and counted; warming up does not wait for it', async (t) => {
  const { url } = await remember(t);
  const cases: [iterate: string, failed: number, requests: number][] = [
    ['() => new Promise(() => {})', 4, 0],
    [`async ({ http }) => { for (;;) await http.get('/'); }`, 4, 1],
    [`async ({ http }) => { for (;;) await http.get('/', { expect: { status: 500 } }); }`, 4, 1],
    [`async ({ time }) => { for (;;) await time('work', async () => 1); }`, 4, 0],
  ];
  await Promise.all(
    cases.slice(0, 3).map(async ([iterate, failed, requests]) => {
      const { code, result } = await ends(t, script(iterate), planFor([url], { model: open(20, 0.2), timeoutS: 1 }));
      t.equal(code, 0, iterate);
      t.match(result, { due: 4, iterations: 0 }, iterate);
      t.equal(
        result!.failures.find(({ kind, detail }) => kind === 'timeout' && detail === 'iteration')?.count,
        failed,
        iterate,
      );
      t.ok(result!.requests >= requests);
    }),
  );
});

t.test(
  "setUp that waits for what the generator's own server never says does not keep it from starting; one that fails is told",
  async (t) => {
    const asked = 0;
    const { url } = await remember(t);
    const before = `
    const setUp = async ({ http, side }) => { let answer; do answer = await http.get('/import', { name: 'import', expect: { body: 'ok' } }); while (answer.failure); return { side }; };`;
    const { sides } = await measure(
      t,
      script(`{ setUp }, ({ http, data }) => http.get('/' + data.side, { name: data.side })`, before),
      planFor([url, url], { model: open(20, 0.2) }),
    );
    t.match(sides, [
      { requests: 4, names: [{ name: 'candidate' }] },
      { requests: 4, names: [{ name: 'baseline' }] },
    ]);
    const failing = await ends(
      t,
      script(
        `{ setUp: async ({ http }) => { const { failure } = await http.get('/'); if (failure) throw new Error('the shop is ' + failure); } }, ({ http }) => http.get('/')`,
      ),
    );
    t.match(failing, {
      code: 2,
      fault: { kind: 'usage', message: /^setUp for candidate failed: load\.ts:3 the shop is refused$/, hint: /./ },
    });
    t.equal(asked, 0);
  },
);

t.test('what fails fast, or slowly, is in no percentile; each kind of answer is counted, with its size', async (t) => {
  const url = await speaking(t, {
    '/ok': (socket) =>
      setTimeout(
        () => socket.end(`${HEAD}content-type: Text/HTML; charset=utf-8\r\ncontent-length: 5\r\n\r\nhello`),
        30,
      ),
    '/long': (socket) => setTimeout(() => socket.end(`${HEAD}content-length: 15\r\n\r\nhello and so on`), 30),
    '/empty': (socket) => setTimeout(() => socket.end(`${HEAD}content-length: 0\r\n\r\n`), 30),
    '/500': (socket) => socket.end('HTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\noops'),
    '/silent': () => {},
  });
  const script = (paths: string) => `
    import { defineLoad } from 'mayfly/load';
    const paths = ${paths};
    export default defineLoad(({ http, journey, pair }) => journey('visit', () => http.get(paths[pair % paths.length], { name: 'page', timeoutMs: 300 })));`;
  const run = (paths: string[], workers = 1) =>
    measure(t, script(JSON.stringify(paths)), planFor([url], { model: open(50, 0.8), workers }));
  const {
    sides: [side],
  } = await run(['/ok', '/500', '/silent', '/long', '/empty'], 2);
  const good = { count: 24 };
  t.match(side, { requests: 40, failed: 16, iterations: 40, latency: good, response: good });
  t.ok(side!.latency!.min > 0.02 && side!.response!.min > 0.02, 'no 500 is among them, which takes no time');
  const [page] = side!.names;
  t.match(page, { name: 'page', requests: 40, failed: 16, latency: good });
  t.match(side!.journeys, [{ name: 'visit', count: 40, failed: 16, duration: good }]);
  const byKey = new Map(page!.answers!.map((one) => [`${one.status} ${one.failure} ${one.bytes > 0}`, one]));
  t.strictSame([...byKey.keys()].sort(), ['0 timeout false', '200 null false', '200 null true', '500 status true']);
  t.match(byKey.get('200 null true'), { count: 16, bytes: 10, deviation: 5 }, 'of 5 and of 15 bytes, on both threads');
  t.strictSame(
    byKey.get('200 null true')!.types!.toSorted((a, b) => (a.type < b.type ? -1 : 1)),
    [
      { type: '', count: 8 },
      { type: 'text/html', count: 8 },
    ],
    'by media type, on both threads',
  );
  t.strictSame(byKey.get('0 timeout false')!.types, [{ type: '', count: 8 }]);
  t.match(byKey.get('200 null false'), { count: 8, bytes: 0, deviation: 0 });
  t.match(byKey.get('500 status true'), { count: 8, bytes: 4, deviation: 0 });
  t.match(byKey.get('0 timeout false'), { count: 8 });

  const { sides } = await run(['/500']);
  t.match(sides[0], {
    requests: 40,
    failed: 40,
    latency: null,
    response: null,
    startLag: { count: 40 },
    names: [{ requests: 40, latency: null, answers: [{ status: 500, failure: 'status', count: 40, bytes: 4 }] }],
    journeys: [{ count: 40, failed: 40, duration: null }],
  });
});
