import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { readStrict } from '../telemetry/strict-files.ts';

const SERVER = resolve(import.meta.dirname, '../../benchmarks/shop/service/server.ts');

interface Running {
  url: string;
  port: number;
  process: ChildProcess;
}

/** Starts the service on a free loopback port and stops it with the test. */
async function start(t: Test, env: NodeJS.ProcessEnv = {}): Promise<Running> {
  const process = spawn(globalThis.process.execPath, ['--disable-warning=ExperimentalWarning', SERVER], {
    env: { ...globalThis.process.env, HOST: '127.0.0.1', PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => process.kill('SIGKILL'));
  const [line] = (await once(createInterface(process.stdout!), 'line')) as [string];
  const port = Number(/port (\d+)$/.exec(line)?.[1]);
  return { url: `http://127.0.0.1:${port}`, port, process };
}

const order = (url: string, body: unknown) =>
  fetch(`${url}/orders`, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) });

/** Waits until no connection is taken any more. */
async function refused(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const code = await once(socket, 'connect').then(
      () => 'taken',
      (error) => error.code,
    );
    socket.destroy();
    if (code === 'ECONNREFUSED') return;
    await sleep(5);
  }
}

async function errorOf(response: Response): Promise<string> {
  return ((await response.json()) as { error: string }).error;
}

t.test('the catalogue has pages of the same products at every start', async (t) => {
  const [first, second] = [await start(t), await start(t)];
  const page = async (url: string, number: number) => (await fetch(`${url}/catalogue?page=${number}`)).json() as any;
  const one = await page(first.url, 1);
  t.equal(one.products.length, 24);
  t.equal(one.pages, 84);
  t.match(one.products[0], { id: Number, name: /^\w+ \w+ \w+ \d+$/, description: /^A /, price_cents: Number });
  t.same(one, await page(second.url, 1));
  t.notSame(one.products, (await page(first.url, 2)).products);
  t.equal((await page(first.url, 84)).products.length, 2_000 - 83 * 24);
  t.same((await page(first.url, 85)).products, []);
});

t.test('a product is found by its number', async (t) => {
  const { url } = await start(t);
  const response = await fetch(`${url}/products/1234`);
  t.equal(response.status, 200);
  t.match(response.headers.get('content-type'), /^application\/json/);
  t.match(await response.json(), { id: 1234, name: / 1234$/ });
  const missing = await fetch(`${url}/products/2001`);
  t.equal(missing.status, 404);
  t.equal(await errorOf(missing), 'there is no product 2001');
});

t.test('search finds the products with every word, or its beginning', async (t) => {
  const { url } = await start(t);
  const search = async (q: string) =>
    ((await (await fetch(`${url}/search?q=${encodeURIComponent(q)}`)).json()) as any).products as { name: string }[];
  const found = await search('Red lamp');
  t.equal(found.length, 20);
  t.ok(found.every(({ name }) => /red .*lamp/.test(name)));
  t.ok((await search('blan')).every(({ name }) => name.includes('blanket')));
  t.same(await search('zeppelin'), []);
  t.same(await search('") OR name:*'), await search('or name'));
});

t.test('an order is kept with its total', async (t) => {
  const { url } = await start(t);
  const price = async (id: number) =>
    ((await (await fetch(`${url}/products/${id}`)).json()) as any).price_cents as number;
  const response = await order(url, {
    lines: [
      { product: 7, quantity: 2 },
      { product: 8, quantity: 1 },
    ],
  });
  t.equal(response.status, 201);
  t.same(await response.json(), { id: 1, total_cents: 2 * (await price(7)) + (await price(8)) });
  t.match(await (await order(url, { lines: [{ product: 9, quantity: 1 }] })).json(), { id: 2 });
});

t.test('an order with an unknown product leaves nothing behind', async (t) => {
  const { url } = await start(t);
  const refused = await order(url, {
    lines: [
      { product: 1, quantity: 1 },
      { product: 9999, quantity: 1 },
    ],
  });
  t.equal(refused.status, 400);
  t.equal(await errorOf(refused), 'there is no product 9999');
  t.match(await (await order(url, { lines: [{ product: 1, quantity: 1 }] })).json(), { id: 1 });
});

t.test('bad requests get a sentence that says what is allowed', async (t) => {
  const { url } = await start(t);
  const get = (path: string) => fetch(url + path);
  const line = { product: 1, quantity: 1 };
  const cases: [Promise<Response>, number, string][] = [
    [get('/catalogue?page=0'), 400, 'page must be a whole number from 1 to 1000000'],
    [get('/catalogue?page=two'), 400, 'page must be a whole number from 1 to 1000000'],
    [get('/products/1.5'), 400, 'id must be a whole number from 1 to 1000000'],
    [get('/search'), 400, 'q must contain at least one word to look for'],
    [get('/search?q=%21%3F'), 400, 'q must contain at least one word to look for'],
    [get('/nowhere'), 404, 'there is nothing at this address'],
    [get('//'), 404, 'there is nothing at this address'],
    [get('/orders'), 405, 'GET is not allowed here'],
    [order(url, 'not json'), 400, 'the body must be JSON'],
    [order(url, 'null'), 400, 'lines must be a list of 1 to 50 items'],
    [order(url, { lines: [] }), 400, 'lines must be a list of 1 to 50 items'],
    [order(url, { lines: [line, null] }), 400, 'lines/1/product must be a whole number from 1 to 1000000'],
    [
      order(url, { lines: [{ product: 1, quantity: 0 }] }),
      400,
      'lines/0/quantity must be a whole number from 1 to 1000',
    ],
    [order(url, { lines: [line, line] }), 400, 'lines must name each product once'],
    [order(url, 'x'.repeat(70_000)), 413, 'the body must not be longer than 65536 bytes'],
  ];
  for (const [request, status, message] of cases) {
    const response = await request;
    t.equal(response.status, status, message);
    t.equal(await errorOf(response), message);
  }
  t.equal((await get('/healthz')).status, 200, 'the service goes on');
});

t.test('the metrics count requests by route and show the garbage collector', async (t) => {
  const { url } = await start(t);
  await (await fetch(`${url}/products/1`)).text();
  await (await fetch(`${url}/products/2`)).text();
  await (await fetch(`${url}/search?q=lamp`)).text();
  await (await fetch(`${url}/nowhere`)).text();
  const response = await fetch(`${url}/metrics`);
  t.match(response.headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
  const metrics = await response.text();
  const count = (labels: string) =>
    metrics.split('\n').find((line) => line.startsWith(`shop_request_duration_seconds_count{${labels}}`));
  t.match(count('method="GET",route="/products/:id",status="200"'), / 2$/);
  t.match(count('method="GET",route="/search",status="200"'), / 1$/);
  t.match(count('method="GET",route="none",status="404"'), / 1$/);
  t.match(metrics, /^nodejs_gc_duration_seconds_count/m);
  t.match(metrics, /^process_cpu_seconds_total/m);
});

t.test('telemetry has every request under its route, and the transaction of an order', async (t) => {
  const dir = t.testdir();
  const { url, process } = await start(t, { MAYFLY_TELEMETRY: dir });
  await (await fetch(`${url}/products/1`)).text();
  await (await fetch(`${url}/products/2`)).text();
  await (await fetch(`${url}/nowhere`)).text();
  await (await order(url, { lines: [{ product: 9, quantity: 1 }] })).text();
  await (await order(url, { lines: [{ product: 9999, quantity: 1 }] })).text();
  process.kill('SIGTERM');
  await once(process, 'exit');
  const files = readStrict(dir);
  const labels = files
    .filter(({ prefix }) => prefix === 'duration')
    .flatMap(({ rows }) => rows.map(({ label }) => label));
  t.same(labels.sort(), [
    '(no route) [GET]',
    '/orders [POST]',
    '/orders [POST]',
    '/products/:id [GET]',
    '/products/:id [GET]',
    'order transaction',
    'order transaction',
  ]);
  t.ok(files.some(({ prefix }) => prefix === 'runtime'));
});

t.test('SIGTERM finishes the request under way and exits 0 within a second', async (t) => {
  const { port, process } = await start(t);
  const socket = connect(port, '127.0.0.1');
  const answer = socket.toArray().then((chunks) => Buffer.concat(chunks).toString());
  const body = JSON.stringify({ lines: [{ product: 3, quantity: 1 }] });
  socket.write(
    `POST /orders HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 5)}`,
  );
  await once(socket, 'readable'); // it has begun with the request, and says that it may go on

  const started = performance.now();
  const exited = once(process, 'exit');
  process.kill('SIGTERM');
  await refused(port);
  socket.write(body.slice(5));

  t.match(await answer, /^HTTP\/1\.1 100 .*\r\n\r\nHTTP\/1\.1 201 /);
  t.same(await exited, [0, null]);
  t.ok(performance.now() - started < 1_000);
});

t.test('SIGTERM does not wait for a client that never finishes its request', async (t) => {
  const { port, process } = await start(t);
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write('POST /orders HTTP/1.1\r\nHost: shop\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n{');
  await once(socket, 'data');
  const started = performance.now();
  const exited = once(process, 'exit');
  process.kill('SIGTERM');
  t.same(await exited, [0, null]);
  t.ok(performance.now() - started < 1_000);
});
