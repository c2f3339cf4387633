/** Every request to a server of node:http is timed once, under its route and method, whatever clients do. */
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { connect as connectHttp2, constants, createServer as createHttp2Server } from 'node:http2';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type HttpOptions, instrumentHttp } from '../../telemetry/src/http.ts';
import { start, stop } from '../../telemetry/src/session.ts';
import { countLabels, readRows } from './read-rows.ts';

/** A server with telemetry; `rows()` stops it, and reads what it has written. */
async function serve(t: Test, listener: RequestListener, options: HttpOptions<any, any> & { on?: boolean } = {}) {
  const dir = t.testdir();
  t.ok(start({ dir, runtime: false, signal: null, on: options.on ?? true }));
  const server = createServer(listener);
  instrumentHttp(server, options);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  t.teardown(() => {
    stop();
    server.closeAllConnections();
    server.close();
  });
  const rows = async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
    stop();
    return readRows(dir, 'duration');
  };
  return { server, port, url: `http://127.0.0.1:${port}`, rows };
}

const get = async (url: string, init?: RequestInit) => (await fetch(url, init)).text();

t.test('a request is timed from its arrival to the end of its answer', async (t) => {
  const { url, rows } = await serve(
    t,
    async (request, response) => {
      await wait(Number(new URL(request.url!, 'http://x').searchParams.get('ms')));
      response.end('done');
    },
    { route: (request) => request.url!.split('?')[0] },
  );
  const began = performance.now();
  await Promise.all([get(`${url}/slow?ms=300`), get(`${url}/fast?ms=1`), get(`${url}/middle?ms=150`)]);
  const all = (performance.now() - began) / 1000;

  const found = new Map((await rows()).map(({ label, value }) => [label, value]));
  t.same([...found.keys()].sort(), ['/fast [GET]', '/middle [GET]', '/slow [GET]']);
  t.ok(found.get('/slow [GET]')! >= 0.299 && found.get('/slow [GET]')! <= all, `${found.get('/slow [GET]')}`);
  t.ok(found.get('/middle [GET]')! >= 0.149 && found.get('/middle [GET]')! <= all, `${found.get('/middle [GET]')}`);
  // a timer of Node.js may be a millisecond early
  t.ok(found.get('/fast [GET]')! > 0 && found.get('/fast [GET]')! <= all, `${found.get('/fast [GET]')}`);
});

t.test('without a function there is one label for each method, however many paths there are', async (t) => {
  const { port, rows } = await serve(t, (_, response) => response.end());
  const client = connect(port, '127.0.0.1').resume();
  for (let sent = 0; sent < 10_000; sent++)
    client.write(`${sent % 20 === 0 ? 'PUT' : 'GET'} /path/${sent}?x=${sent} HTTP/1.1\r\nHost: x\r\n\r\n`);
  client.write('OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  await once(client, 'close');
  t.same(countLabels(await rows()), {
    '(no route) [GET]': 9_500,
    '(no route) [PUT]': 500,
    '(no route) [OPTIONS]': 1,
  });
});

t.test('a function that knows no route, throws, or gives what is no text', async (t) => {
  const answers: Record<string, () => unknown> = {
    '/known': () => '/known',
    '/none': () => undefined,
    '/empty': () => '',
    '/number': () => 7,
    '/throws': () => {
      throw new Error('no such route');
    },
  };
  const { url, rows } = await serve(t, (_, response) => response.end('fine'), {
    route: (request) => answers[request.url!]!() as string,
  });
  for (const path of Object.keys(answers)) t.equal(await get(url + path), 'fine', `${path} is answered`);
  t.same(countLabels(await rows()), { '/known [GET]': 1, '(no route) [GET]': 4 });
});

t.test('the route is asked at the end, when the service knows it', async (t) => {
  const { url, rows } = await serve(
    t,
    async (request, response) => {
      await wait(1);
      Object.assign(request, { route: '/late' });
      response.end();
    },
    { route: (request) => (request as { route?: string }).route },
  );
  await get(url);
  t.same(countLabels(await rows()), { '/late [GET]': 1 });
});

t.test('keep-alive and pipelining: each request of a connection', async (t) => {
  const { port, rows } = await serve(t, (request, response) => setTimeout(() => response.end(request.url), 20), {
    route: (request) => request.url,
  });
  const client = connect(port, '127.0.0.1');
  client.write('GET /a HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi');
  client.write('HEAD /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  client.resume();
  await once(client, 'close');
  t.same(countLabels(await rows()), { '/a [GET]': 1, '/b [POST]': 1, '/c [HEAD]': 1 });
});

t.test('a connection that ends early: each of its requests once', async (t) => {
  let arrived = 0;
  let ended = 0;
  const three = Promise.withResolvers<void>();
  const over = Promise.withResolvers<void>();
  const { server, port, rows } = await serve(
    t,
    (request) => {
      request.once('close', () => ++ended === 3 && over.resolve());
      if (++arrived === 3) three.resolve();
    },
    { route: (request) => request.url },
  );
  const client = connect(port, '127.0.0.1');
  client.write('GET /answered-never HTTP/1.1\r\nHost: x\r\n\r\nGET /waits HTTP/1.1\r\nHost: x\r\n\r\n');
  client.write('POST /half HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf');
  await three.promise;
  client.destroy();
  await over.promise;
  t.same(countLabels(await rows()), { '/answered-never [GET]': 1, '/waits [GET]': 1, '/half [POST]': 1 });
  t.equal(server.listenerCount('request'), 2);
});

t.test('an answer that is cut off in its middle, by either end', async (t) => {
  const cut = Promise.withResolvers<void>();
  const { port, rows } = await serve(
    t,
    (request, response) => {
      response.once('close', () => request.url === '/by-client' && cut.resolve());
      response.writeHead(200, { 'content-length': 1000 });
      response.write('some');
      if (request.url === '/by-server') response.destroy();
    },
    { route: (request) => request.url },
  );
  for (const path of ['/by-server', '/by-client']) {
    const client = connect(port, '127.0.0.1').on('error', () => {});
    client.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    client.once('data', () => path === '/by-client' && client.destroy());
    await once(client, 'close');
  }
  await cut.promise;
  t.same(countLabels(await rows()), { '/by-server [GET]': 1, '/by-client [GET]': 1 });
});

t.test('methods: all that Node.js knows; any other has one label', async (t) => {
  const { server, port, rows } = await serve(t, (_, response) => response.end(), { route: () => '/x' });
  const client = connect(port, '127.0.0.1').resume();
  client.write('PROPFIND / HTTP/1.1\r\nHost: x\r\n\r\nPURGE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  await once(client, 'close');

  // Its parser takes no other: such a request never arrives.
  const refused = connect(port, '127.0.0.1').resume();
  refused.write('INVENTED / HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(refused, 'close');

  // What makes requests without a parser could.
  server.prependListener('request', (request) => {
    request.method = `M${Math.random()}`;
  });
  await get(`http://127.0.0.1:${port}`);
  await get(`http://127.0.0.1:${port}`);
  t.same(countLabels(await rows()), { '/x [PROPFIND]': 1, '/x [PURGE]': 1, '/x [(other)]': 2 });
});

t.test('two hooks count a request once, and the later one knows more', async (t) => {
  const { server, url, rows } = await serve(t, (_, response) => response.end());
  instrumentHttp(server, { route: () => undefined });
  await get(url);
  instrumentHttp(server, { route: () => '/known' });
  await get(url);
  t.same(countLabels(await rows()), { '(no route) [GET]': 1, '/known [GET]': 1 });
});

t.test('a client that expects a word of the server first', async (t) => {
  const dir = t.testdir();
  start({ dir, runtime: false, signal: null });
  const server = createServer();
  server.on('checkContinue', (request, response) => {
    response.writeContinue();
    server.emit('request', request, response);
  });
  server.on('request', (request, response) => request.resume().on('end', () => response.end()));
  instrumentHttp(server, { route: () => '/upload' });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1').resume();
  client.write('PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi');
  await once(client, 'close');
  stop();
  t.same(countLabels(readRows(dir, 'duration')), { '/upload [PUT]': 1 });
});

t.test('HTTP/2: each stream, also one that is given up', async (t) => {
  const dir = t.testdir();
  start({ dir, runtime: false, signal: null });
  const hanging = Promise.withResolvers<void>();
  const over = Promise.withResolvers<void>();
  const server = createHttp2Server((request, response) => {
    if (request.url !== '/hangs') return response.end('done');
    request.once('close', over.resolve);
    hanging.resolve();
  });
  instrumentHttp(server, { route: (request) => request.url });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  t.teardown(() => {
    client.destroy();
    server.close();
  });
  const streams = ['/a', '/b'].map((path) =>
    once(client.request({ ':path': path, ':method': 'POST' }).resume(), 'close'),
  );
  const hangs = client.request({ ':path': '/hangs' });
  await Promise.all([...streams, hanging.promise]);
  hangs.close(constants.NGHTTP2_CANCEL);
  await over.promise;
  const closed = once(server, 'close');
  client.close();
  server.close();
  await closed;
  stop();
  t.same(countLabels(readRows(dir, 'duration')), { '/a [POST]': 1, '/b [POST]': 1, '/hangs [GET]': 1 });
});

t.test('off: nothing is measured, and the route is not asked', async (t) => {
  let asked = 0;
  const { url, rows } = await serve(t, (_, response) => response.end(), {
    on: false,
    route: () => `/${asked++}`,
  });
  await get(url);
  t.same(await rows(), []);
  t.equal(asked, 0);
});
