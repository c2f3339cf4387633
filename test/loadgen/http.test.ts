/**
 * HTTP as a script writes it: bodies, redirects, checks, cookies, uploads, connections, HTTP/2, TLS; journeys and other
 * clients.
 */
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http';
import { constants, createServer as createHttp2, createSecureServer } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { createServer as createTcp } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import {
  certificates,
  closed,
  countsOf,
  failuresOf,
  listening,
  measure,
  measured,
  open,
  peakOf,
  planFor,
  remember,
  serve,
  start,
} from './generator.ts';

const TEXT = 'a body of some length, '.repeat(200);

/** A script of cases: each iteration makes the next, and tells the server at /report what it saw. */
const casesOf = (cases: Record<string, string>, options = '{}') => `
  import { defineLoad } from 'mayfly/load';
  const cases = { ${Object.entries(cases)
    .map(([name, body]) => `${JSON.stringify(name)}: async ({ http, journey, time, url, data }) => { ${body} }`)
    .join(',\n')} };
  const names = Object.keys(cases);
  export default defineLoad(${options}, async (iteration) => {
    const name = names[iteration.pair % names.length];
    const saw = await cases[name](iteration).catch((error) => 'threw ' + error.message);
    if (!iteration.trying) await iteration.http.post('/report', { name: 'report', json: { name, saw: saw ?? null } });
  });`;

/** A server with these routes that keeps what it is asked and what is reported. */
async function routes(
  t: Test,
  answer: (request: IncomingMessage & { text: string }, response: ServerResponse) => void,
) {
  const asked: string[] = [];
  const reports: Record<string, any> = {};
  const url = await serve(t, (request, response) => {
    let text = '';
    request
      .setEncoding('utf8')
      .on('data', (more) => (text += more))
      .on('end', () => {
        if (request.url === '/report') {
          const { name, saw } = JSON.parse(text);
          reports[name] = saw;
          return response.end();
        }
        asked.push(`${request.method} ${request.url}${text && ` ${text}`}`);
        answer(Object.assign(request, { text }), response);
      });
  });
  return { url, asked, reports };
}

t.test('bodies: kept they are decoded, else thrown away; methods, headers and names', async (t) => {
  const packed = { gzip: gzipSync(TEXT), br: brotliCompressSync(TEXT), deflate: deflateSync(TEXT) };
  const { url, asked, reports } = await routes(t, (request, response) => {
    const encoding = request.url!.slice(1) as keyof typeof packed;
    if (packed[encoding]) return void response.writeHead(200, { 'content-encoding': encoding }).end(packed[encoding]);
    if (request.url === '/chunks') {
      response.write(TEXT.slice(0, 100));
      return void setTimeout(() => response.end(TEXT.slice(100)), 30);
    }
    if (request.url === '/broken') return void response.writeHead(200, { 'content-encoding': 'gzip' }).end('no gzip');
    if (request.url === '/echo')
      return void response.end(
        JSON.stringify({ method: request.method, body: request.text, headers: request.headers }),
      );
    if (request.url === '/head')
      return void response.writeHead(200, { 'content-length': 1000, 'x-count': ['1', '2'] }).end();
    response.end(TEXT);
  });
  const kept = (path: string) =>
    `const answer = await http.get('/${path}', { keep: true }); return answer.text() === ${JSON.stringify(TEXT)} && answer.bytes().length;`;
  const cases = {
    gzip: kept('gzip'),
    br: kept('br'),
    deflate: kept('deflate'),
    chunks: kept('chunks'),
    plain: kept('plain'),
    thrown: `const answer = await http.get('/gzip', { name: 'thrown' }); return [answer.status, answer.failure, answer.text()];`,
    broken: `return (await http.get('/broken', { name: 'broken', expect: { body: 'x' } })).failure;`,
    head: `const answer = await http.head('/head', { keep: true }); return [answer.status, answer.text(), answer.headers['content-length'], answer.headers['x-count']];`,
    json: `return (await http.put('/echo', { json: { ü: [1] }, headers: { 'Content-Type': 'application/vnd.shop+json', HOST: 'other' }, keep: true })).json();`,
    text: `return (await http.patch('/echo', { body: 'text', keep: true })).json();`,
    binary: `return (await http.request('REPORT', '/echo', { body: new Uint8Array([65, 66]), keep: true })).json();`,
    stream: `return (await http.post('/echo', { body: async function* () { yield Buffer.from('one '); yield Buffer.from('two'); }, keep: true })).json();`,
    delete: `return (await http.delete('/echo?x=1', { keep: true })).status;`,
    header: `return (await http.get('/echo', { headers: { 'x-bad': 'a\\nb' }, name: 'header' })).failure;`,
  };
  const count = Object.keys(cases).length;
  const {
    sides: [side],
  } = await measure(
    t,
    casesOf(cases, `{ http: { headers: { 'X-All': 'yes' } } }`),
    planFor([url], { model: open(60, count / 60) }),
  );
  for (const name of ['gzip', 'br', 'deflate', 'chunks', 'plain']) t.equal(reports[name], TEXT.length, name);
  t.match(reports.thrown, /^threw the body of this answer was thrown away$/);
  t.equal(reports.broken, 'protocol');
  t.same(reports.head, [200, '', '1000', ['1', '2']]);
  t.match(reports.json, {
    method: 'PUT',
    body: '{"ü":[1]}',
    headers: { 'content-type': 'application/vnd.shop+json', host: 'other', 'x-all': 'yes' },
  });
  t.match(reports.text, { method: 'PATCH', body: 'text', headers: { host: 'shop:8080', 'content-length': '4' } });
  t.match(reports.binary, { method: 'REPORT', body: 'AB' });
  t.match(reports.stream, { method: 'POST', body: 'one two', headers: { 'transfer-encoding': 'chunked' } });
  t.equal(reports.delete, 200);
  t.equal(reports.header, 'script');
  t.notOk(asked.some((line) => line.includes('x-bad')));
  t.match(countsOf(side!), {
    'GET /gzip': 1,
    thrown: 1,
    'HEAD /head': 1,
    'PUT /echo': 1,
    'DELETE /echo': 1,
    report: count,
  });
  t.same(failuresOf(side!), { protocol: 1, 'script UND_ERR_INVALID_ARG': 1 });
  t.ok(
    side!.bytesReceived >= 2 * TEXT.length + 2 * packed.gzip.length && side!.bytesReceived < 3 * TEXT.length + 4000,
    'as they came, not decoded',
  );
});

t.test("the Host is the target's on both sides, unless the script gives another one", async (t) => {
  const hosts = (seen: { headers: NodeJS.Dict<string | string[]> }[]) => [
    ...new Set(seen.map(({ headers }) => headers.host)),
  ];
  const both = [await remember(t), await remember(t)];
  await measure(
    t,
    `import { defineLoad } from 'mayfly/load'; export default defineLoad(({ http, target }) => http.get('/' + encodeURIComponent(target)));`,
    planFor(both.map(({ url }) => url)),
  );
  for (const { seen } of both) {
    t.strictSame(hosts(seen), ['shop:8080']);
    t.equal(seen[0]!.path, '/http%3A%2F%2Fshop%3A8080', 'another client can send it too');
  }
  const named = await remember(t);
  const script = `import { defineLoad } from 'mayfly/load'; export default defineLoad({ http: { headers: { Host: 'www.shop.example' } } }, ({ http }) => http.get('/'));`;
  await measure(t, script, planFor([named.url]));
  t.strictSame(hosts(named.seen), ['www.shop.example']);

  const asked: string[] = [];
  const url = await serve(t, (request, response) => {
    asked.push(request.url!);
    response
      .writeHead(302, { location: request.url === '/' ? 'http://www.shop.example/next' : 'http://shop:8080/other' })
      .end();
  });
  await measure(t, script.replace(`'/')`, `'/', { redirects: 5 })`), planFor([url], { model: closed(1, 1) }));
  t.strictSame(asked, ['/', '/next'], 'no other host than the one it has asked for');

  const authorities = new Set<string | undefined>();
  const two = createHttp2((request, response) => {
    authorities.add(request.headers[':authority'] as string);
    response.end();
  });
  const script2 = `import { defineLoad } from 'mayfly/load'; export default defineLoad({ http: { version: 2 } }, ({ http, pair }) => http.get('/', pair % 2 ? {} : { headers: { host: 'www.shop.example' } }));`;
  await measure(t, script2, planFor([await listening(t, two)]));
  t.strictSame([...authorities].sort(), ['shop:8080', 'www.shop.example']);
});

t.test('redirects are followed where asked for, and never to another host', async (t) => {
  const elsewhere = await remember(t);
  const to: Record<string, [number, string]> = {
    '/moved': [302, '/here?a=1'],
    '/absolute': [301, 'http://shop:8080/here'],
    '/other': [302, `${elsewhere.url}/there`],
    '/scheme': [302, 'https://shop:8080/here'],
    '/loop': [302, '/loop'],
    '/see': [303, '/here'],
    '/found': [302, '/here'],
    '/again': [307, 'here'],
    '/bad': [302, 'http://[bad'],
    '/none': [302, ''],
  };
  const { url, asked, reports } = await routes(t, (request, response) => {
    const found = to[request.url!];
    if (found) return void response.writeHead(found[0], found[1] ? { location: found[1] } : {}).end('moved');
    response.end(`here ${request.method} ${request.text}`);
  });
  const get = (path: string, redirects: number) =>
    `const answer = await http.get('${path}', { name: '${path}', keep: true, redirects: ${redirects} }); return [answer.status, answer.text(), answer.failure];`;
  const post = (path: string) =>
    `const answer = await http.post('${path}', { name: '${path}', keep: true, redirects: 1, json: { a: 1 } }); return [answer.status, answer.text()];`;
  const cases = {
    not: `const answer = await http.get('/moved', { name: 'not' }); return [answer.status, answer.headers.location, answer.failure];`,
    moved: get('/moved', 1),
    absolute: get('/absolute', 5),
    other: get('/other', 5),
    scheme: get('/scheme', 5),
    loop: get('/loop', 3),
    bad: get('/bad', 3),
    none: get('/none', 3),
    see: post('/see'),
    found: post('/found'),
    again: post('/again'),
  };
  const count = Object.keys(cases).length;
  const {
    sides: [side],
  } = await measure(t, casesOf(cases), planFor([url], { model: open(60, count / 60) }));
  t.same(reports, {
    not: [302, '/here?a=1', null],
    moved: [200, 'here GET ', null],
    absolute: [200, 'here GET ', null],
    other: [302, 'moved', null],
    scheme: [302, 'moved', null],
    loop: [302, 'moved', null],
    bad: [302, 'moved', null],
    none: [302, 'moved', null],
    see: [200, 'here GET '],
    found: [200, 'here GET '],
    again: [200, 'here POST {"a":1}'],
  });
  t.equal(elsewhere.seen.length, 0);
  t.equal(asked.filter((line) => line === 'GET /loop').length, 4, 'no more than asked for');
  t.same(
    countsOf(side!),
    {
      not: 1,
      '/moved': 1,
      '/absolute': 1,
      '/other': 1,
      '/scheme': 1,
      '/loop': 1,
      '/bad': 1,
      '/none': 1,
      '/see': 1,
      '/found': 1,
      '/again': 1,
      report: count,
    },
    'one request, however often it was sent on',
  );
});

t.test('journeys: each request under its name, and the whole; any other client is timed like a request', async (t) => {
  const tcp = createTcp((socket) => socket.on('data', (data) => socket.end(`you said ${data}`)).on('error', () => {}));
  const port = new URL(await listening(t, tcp)).port;
  const { url, reports } = await routes(
    t,
    (request, response) =>
      void setTimeout(() => response.writeHead(request.url === '/fails' ? 500 : 200).end('ok'), 40),
  );
  const cases = {
    buys: `return journey('buy', async () => { await http.get('/cart', { name: 'cart' }); await http.post('/pay', { name: 'pay' }); return 'bought'; });`,
    fails: `return journey('buy', async () => { await http.get('/cart', { name: 'cart' }); await http.post('/fails', { name: 'pay' }); return 'not bought'; });`,
    throws: `return journey('buy', async () => { await http.get('/cart', { name: 'cart' }); throw new Error('no luck'); });`,
    together: `return Promise.all([http.get('/a', { name: 'side by side' }), http.get('/b', { name: 'side by side' })]).then((answers) => answers.map(({ status }) => status));`,
    client: `return time('tcp', () => new Promise((resolve, reject) => { const socket = connect(${port}, '127.0.0.1', () => socket.write('hello')); socket.on('data', (data) => resolve(String(data))).on('error', reject); }));`,
    'client fails': `return time('tcp', async () => { throw new Error('no tcp today'); });`,
    'client refused': `return time('tcp', () => new Promise((_, reject) => connect(1, '127.0.0.1').on('error', reject)));`,
    'client hangs': `return time('tcp hangs', () => new Promise(() => {}));`,
  };
  const count = Object.keys(cases).length;
  const {
    sides: [side],
  } = await measure(
    t,
    `import { connect } from 'node:net';${casesOf(cases)}`,
    planFor([url], { model: open(40, count / 40), timeoutS: 3 }),
  );
  t.same(reports, {
    buys: 'bought',
    fails: 'not bought',
    throws: 'threw no luck',
    together: [200, 200],
    client: 'you said hello',
    'client fails': null,
    'client refused': null,
    'client hangs': null,
  });
  t.match(countsOf(side!), { cart: 3, pay: 2, 'side by side': 2, tcp: 3, 'tcp hangs': 1 });
  t.same(failuresOf(side!), { 'status 500': 1, error: 1, 'refused ECONNREFUSED': 1, 'timeout ETIMEDOUT': 1 });
  const [journey] = side!.journeys;
  t.match(journey, { name: 'buy', count: 3, failed: 2 });
  t.equal(journey!.duration!.count, 1, 'those that failed are counted, and not timed');
  t.ok(journey!.duration!.min >= 0.08, 'it lasts as long as its requests');
  t.match(
    side!.failures.find(({ kind }) => kind === 'error'),
    { example: { name: 'tcp', message: 'no tcp today' } },
  );
});

t.test('cookies: of one iteration, and in a closed model of one user', async (t) => {
  const cookies: (string | undefined)[] = [];
  const url = await serve(t, (request, response) => {
    cookies.push(`${request.url} ${request.headers.cookie ?? '-'}`);
    response
      .writeHead(
        200,
        request.url!.startsWith('/in')
          ? {
              'set-cookie': [
                `id=${request.url!.slice(4)}; Path=/; HttpOnly`,
                'theirs=1; Domain=elsewhere.example',
                'gone=1; Max-Age=0',
                'deep=1; Path=/deep',
              ],
            }
          : {},
      )
      .end();
  });
  const script = (options: string) => `
    import { defineLoad } from 'mayfly/load';
    export default defineLoad(${options}, async ({ http, pair }) => {
      await http.get('/before/' + pair, { name: 'before' });
      await http.get('/in/' + pair, { name: 'in' });
      await http.get('/after/' + pair, { name: 'after' });
      await http.get('/deep/' + pair, { name: 'deep' });
    });`;
  const on = await measure(t, script('{ cookies: true }'), planFor([url], { model: open(10, 0.3) }));
  t.match(on.sides, [{ requests: 12, failed: 0 }]);
  t.same(
    cookies.splice(0).sort(),
    [0, 1, 2]
      .flatMap((n) => [`/before/${n} -`, `/in/${n} -`, `/after/${n} id=${n}`, `/deep/${n} deep=1; id=${n}`])
      .sort(),
  );
  await measure(t, script('{ cookies: true }'), planFor([url], { model: closed(2, 2) }));
  t.same(
    cookies.sort(),
    [0, 2]
      .flatMap((n) => [
        `/before/${n} -`,
        `/in/${n} -`,
        `/after/${n} id=${n}`,
        `/deep/${n} deep=1; id=${n}`,
        `/before/${n + 1} id=${n}`,
        `/in/${n + 1} id=${n}`,
        `/after/${n + 1} id=${n + 1}`,
        `/deep/${n + 1} deep=1; id=${n + 1}`,
      ])
      .sort(),
    'a user keeps them',
  );
});

t.test('a body of 100 MB is streamed', async (t) => {
  const received: number[] = [];
  const url = await serve(t, (request, response) => {
    let count = 0;
    request
      .on('data', (chunk: Buffer) => (count += chunk.length))
      .on('end', () => {
        received.push(count);
        response.end();
      });
  });
  const script = `
    import { bytes, defineLoad } from 'mayfly/load';
    export default defineLoad(({ http }) => http.put('/file', { body: bytes(100_000_000) }));`;
  const generator = start(t, script, planFor([url], { model: open(1, 1), warmS: 0, timeoutS: 30 }));
  await generator.event('ready');
  const before = peakOf(generator.pid);
  const { sides, peakBytes } = await measured(t, await generator.ended);
  t.match(sides, [{ requests: 1, failed: 0 }]);
  t.same(received, [100_000_000]);
  t.ok(before > 20e6 && peakBytes - before < 60e6, `${before / 1e6} MB of memory before, ${peakBytes / 1e6} MB after`);
  t.ok(peakBytes < 400e6, 'nor while it warmed up, with eight at once');
});

/** A server that counts its connections. */
async function counted(t: Test): Promise<{ url: string; connections: () => number }> {
  let connections = 0;
  const server = createHttp((_, response) => response.end('ok')).on('connection', () => connections++);
  return { url: await listening(t, server), connections: () => connections };
}

t.test('connections are kept, or not where the script says so', async (t) => {
  const [kept, anew] = [await counted(t), await counted(t)];
  const script = (options: string) =>
    `import { defineLoad } from 'mayfly/load'; export default defineLoad(${options}, ({ http }) => http.get('/'));`;
  const users = planFor([], { model: closed(2, 20) });
  await measure(t, script('{}'), { ...users, sides: planFor([kept.url]).sides });
  t.ok(kept.connections() <= 10, `${kept.connections()} connections for 40 requests`);
  const {
    sides: [side],
  } = await measure(t, script('{ http: { keepAlive: false } }'), { ...users, sides: planFor([anew.url]).sides });
  t.match(side, { requests: 40, failed: 0 });
  t.equal(anew.connections(), 40);
});

const PAGES = `({ http }) => http.get('/page', { keep: true, name: 'page', expect: { body: '2.0', headers: { 'x-host': /^shop:8080$/ } } })`;
const scriptOf = (options: string, iterate = PAGES) =>
  `import { defineLoad } from 'mayfly/load'; export default defineLoad(${options}, ${iterate});`;
const page = (request: { httpVersion: string; headers: NodeJS.Dict<string | string[]> }, response: any) => {
  response.setHeader('x-host', request.headers[':authority'] ?? request.headers.host ?? '-');
  response.end(request.httpVersion);
};

t.test('HTTP/2: in the clear and over TLS, on as many connections as asked for', async (t) => {
  const { ca, key, cert } = certificates(t);
  const sessions: Record<string, number> = { clear: 0, secure: 0 };
  const clear = createHttp2(page).on('session', () => sessions.clear!++);
  const secure = createSecureServer({ key, cert, allowHTTP1: true }, page).on('session', () => sessions.secure!++);
  const old = createHttps({ key, cert }, page);
  const checked = async (options: string, url: string, target = 'https://shop:8080') =>
    (await measure(t, { 'load.ts': scriptOf(options), 'ca.pem': ca }, planFor([url], { target, model: open(60, 0.5) })))
      .sides[0]!;
  const [inTheClear, overTls, refused] = await Promise.all([
    checked('{ http: { version: 2, connections: 3 } }', await listening(t, clear), 'http://shop:8080'),
    checked(`{ http: { version: 2 }, tls: { ca: 'ca.pem' } }`, await listening(t, secure, 'https')),
    checked(`{ http: { version: 2 }, tls: { ca: 'ca.pem' } }`, await listening(t, old, 'https')),
  ]);
  t.match(inTheClear, { requests: 30, failed: 0, failures: [], bytesReceived: 90 });
  t.ok(sessions.clear! >= 1 && sessions.clear! <= 3, `${sessions.clear} connections`);
  t.match(overTls, { requests: 30, failed: 0, failures: [] });
  t.equal(sessions.secure, 1);
  t.match(refused, {
    requests: 30,
    failed: 30,
    failures: [{ kind: 'protocol', count: 30, example: { message: 'the server speaks no HTTP/2 over TLS' } }],
  });
});

t.test('HTTP/2: bodies, and what fails fails alone', async (t) => {
  const server = createHttp2();
  server
    .on('sessionError', () => {})
    .on('stream', (stream, headers) => {
      stream.on('error', () => {});
      const path = headers[':path']!;
      if (path === '/reset') return stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      if (path === '/cancelled') return stream.close(constants.NGHTTP2_CANCEL);
      if (path === '/silent') return undefined;
      if (path === '/gone') return stream.session!.destroy();
      stream.respond({
        ':status': path === '/500' ? 500 : 200,
        'content-encoding': path === '/gzip' ? 'gzip' : 'identity',
        ...(path === '/half' ? { 'content-length': 100 } : {}),
      });
      if (path === '/half') return void stream.write('half of it', () => stream.close(constants.NGHTTP2_CANCEL));
      if (path === '/endless') {
        const timer = setInterval(() => stream.write('x'.repeat(10_000)), 5);
        return stream.on('close', () => clearInterval(timer));
      }
      if (path === '/gzip') return stream.end(gzipSync('packed'));
      if (path === '/echo') return stream.pipe(stream);
      return stream.end('ok');
    });
  const cases: [method: string, path: string, options: string, failure: string | null][] = [
    ['GET', '/page', '', null],
    ['GET', '/gzip', `expect: { body: 'packed' }`, null],
    ['POST', '/echo', `json: { a: [1] }, expect: { body: '{"a":[1]}' }`, null],
    ['PUT', '/echo', 'body: bytes(150_000)', null],
    [
      'PUT',
      '/echo',
      `body: async function* () { yield Buffer.from('one '); yield Buffer.from('two'); }, expect: { body: 'one two' }`,
      null,
    ],
    ['GET', '/silent', 'timeoutMs: 300', 'timeout'],
    ['GET', '/endless', '', 'too-large'],
    ['GET', '/500', '', 'status'],
    ['GET', '/reset', '', 'reset'],
    ['GET', '/cancelled', '', 'reset'],
    ['GET', '/half', '', 'reset'],
    ['GET', '/page', '', null],
    ['GET', '/page', '', null],
    ['GET', '/page', '', null],
  ];
  const script = `
    import { bytes, defineLoad } from 'mayfly/load';
    const cases = [${cases.map(([method, path, options], i) => `['${method}', '${path}', { name: 'case ${i}', ${options} }]`).join(', ')}];
    export default defineLoad({ http: { version: 2, maxAnswerBytes: 200_000 } }, ({ http, pair }) => http.request(...cases[pair % cases.length]));`;
  const url = await listening(t, server);
  const {
    sides: [side],
    rows,
  } = await measure(t, script, planFor([url], { model: open(20, (2 * cases.length) / 20) }));
  t.equal(side!.requests, 2 * cases.length);
  for (const [i, [, path, , failure]] of cases.entries()) {
    t.same(
      rows.filter(({ name }) => name === `case ${i}`).map((row) => row.failure),
      [failure, failure],
      `case ${i}: ${path}, ${JSON.stringify(side!.failures.find(({ example }) => example.name === `case ${i}`))}`,
    );
  }
  const iterate = `({ http, pair }) => http.get(pair % 2 ? '/gone' : '/page', { name: pair % 2 ? 'gone' : 'page' })`;
  const {
    sides: [gone],
  } = await measure(t, scriptOf('{ http: { version: 2 } }', iterate), planFor([url], { model: closed(1, 10) }));
  t.match(
    gone,
    {
      requests: 10,
      failed: 5,
      names: [
        { name: 'gone', failed: 5 },
        { name: 'page', failed: 0 },
      ],
      failures: [{ kind: 'reset', count: 5 }],
    },
    'a connection that goes is made anew',
  );
});

t.test("TLS: with the benchmark's authority, without verification, and refused with neither", async (t) => {
  const { ca, key, cert } = certificates(t);
  const names = new Set<unknown>();
  const server = createHttps({ key, cert }, (request, response) => {
    names.add((request.socket as TLSSocket & { servername: unknown }).servername);
    response.setHeader('set-cookie', 'id=1; Secure').end(request.headers.cookie ?? '-');
  });
  const url = await listening(t, server, 'https');
  const twice = `async ({ http }) => { await http.get('/', { name: 'first' }); await http.get('/', { name: 'second', expect: { body: 'id=1' } }); }`;
  const checked = async (options: string, target = 'https://shop:8443') =>
    (
      await measure(
        t,
        { 'load.ts': scriptOf(options, twice), 'tls/ca.pem': ca },
        planFor([url], { target, model: open(10, 0.3) }),
      )
    ).sides[0]!;
  t.match(
    await checked(`{ tls: { ca: 'tls/ca.pem' }, cookies: true }`),
    { requests: 6, failed: 0, failures: [] },
    'with cookies that want TLS',
  );
  t.same([...names], ['shop'], 'the server is asked for by its name in the benchmark');
  const [off, other, refused] = await Promise.all([
    checked('{ tls: { verify: false }, cookies: true }', url),
    checked(`{ tls: { ca: 'tls/ca.pem' } }`, 'https://other:8443'),
    checked('{}'),
  ]);
  t.match(off, { requests: 6, failed: 0, failures: [] }, 'an address needs no name');
  t.match(other, { failed: 6, failures: [{ kind: 'tls', count: 6, example: { name: 'first', message: /altnames/ } }] });
  t.match(refused, {
    requests: 6,
    failed: 6,
    failures: [{ kind: 'tls', count: 6, example: { name: 'first', message: /certificate/ } }],
  });
});
