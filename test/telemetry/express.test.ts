/** The middleware times requests to real Express 4 and 5 under the patterns of routes and of the routers around them. */
import { once } from 'node:events';
import type { RequestListener, Server, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { expressTelemetry } from '../../telemetry/src/express.ts';
import { start, stop } from '../../telemetry/src/session.ts';
import { countLabels, readRows } from './read-rows.ts';
import { sendMany } from './send-many.ts';

/** Express is not imported with types: both versions have the same here. */
type Handler = (request: any, response: Answer, next: (error?: unknown) => void) => unknown;
type ErrorHandler = (error: Error, request: any, response: Answer, next: (error?: unknown) => void) => unknown;
type Answer = ServerResponse & { send(body: string): void; status(code: number): Answer };
type Put = (path: string | RegExp | (string | RegExp)[], ...handlers: Handler[]) => unknown;
interface Router extends RequestListener {
  use(...args: (string | RegExp | string[] | Handler | ErrorHandler)[]): unknown;
  get: Put;
  post: Put;
  all: Put;
  route(path: string): { get(handler: Handler): { post(handler: Handler): unknown } };
}
interface Application extends Router {
  listen(port: number, host: string): Server;
  set(name: string, value: unknown): unknown;
}
interface Express {
  (): Application;
  Router(options?: object): Router;
}

const require = createRequire(import.meta.url);
const VERSIONS: [string, Express][] = [
  ['Express 5', require('express')],
  ['Express 4', require('express4')],
];
const [[, express5]] = VERSIONS as [[string, Express]];
/** The router of Express 5.0 to 5.2, whose layers do not tell their patterns. */
const routerBefore: (options?: object) => Router = require('router22');

const done: Handler = (_, response) => response.send('done');
const pass: Handler = (_, __, next) => next();

async function serve(t: Test, app: Application, on = true) {
  const dir = t.testdir();
  t.ok(start({ dir, runtime: false, signal: null, on }));
  app.set('env', 'test');
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    stop();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const get = async (path: string, init?: RequestInit) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, init);
    return `${answer.status} ${await answer.text()}`;
  };
  const rows = async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
    stop();
    return readRows(dir, 'duration');
  };
  return { port, get, rows };
}

for (const [version, express] of VERSIONS) {
  t.test(`${version}: patterns of routes`, async (t) => {
    const app = express();
    app.use(expressTelemetry());
    app.get('/', done);
    app.get('/users/:id', (request, response) => response.send(request.params.id));
    app
      .route('/things')
      .get(done)
      .post(pass as never);
    app.get(['/a', '/b/:x'], done);
    app.get(/^\/v\d+$/, done);
    const { get, rows } = await serve(t, app);
    t.equal(await get('/users/7'), '200 7');
    await get('/users/8?full=yes');
    await get('/users/8', { method: 'HEAD' });
    for (const path of ['/', '/things', '/a', '/b/1', '/v12', '/v13', '/users/9/']) await get(path);
    t.same(countLabels(await rows()), {
      '/users/:id [GET]': 3,
      '/users/:id [HEAD]': 1,
      '/ [GET]': 1,
      '/things [GET]': 1,
      '(/a|/b/:x) [GET]': 2,
      '(^\\/v\\d+$) [GET]': 2,
    });
  });

  t.test(`${version}: routers in routers, by the patterns where they were put in`, async (t) => {
    const app = express();
    app.use(expressTelemetry());
    const items = express.Router();
    items.get('/', done);
    items.get('/:item', done);
    const orders = express.Router({ mergeParams: true });
    orders.use('/:order/items', items);
    orders.get('/', done);
    const api = express.Router();
    api.use('/users/:user/orders', pass, orders);
    api.use('/orders/', orders);
    app.use('/api', api);
    app.use(express.Router().use(pass) as Handler, pass);
    app.use(['/x', '/y/:z'], express.Router(), items);
    app.use(/^\/release-\d+/, items);
    const { get, rows } = await serve(t, app);
    for (const path of [
      '/api/users/api/orders',
      '/api/users/orders/orders/7/items',
      '/api/users/2/orders/7/items/9',
      '/api/orders',
      '/api/orders/7/items/',
      '/api/orders/8/items/9?a=/users/1/orders/2',
      '/x/1',
      '/y/2/1',
      '/release-1/a',
      '/release-2/b',
    ])
      t.equal(await get(path), '200 done', path);
    t.same(countLabels(await rows()), {
      '/api/users/:user/orders [GET]': 1,
      '/api/users/:user/orders/:order/items [GET]': 1,
      '/api/users/:user/orders/:order/items/:item [GET]': 1,
      '/api/orders [GET]': 1,
      '/api/orders/:order/items [GET]': 1,
      '/api/orders/:order/items/:item [GET]': 1,
      [`${version === 'Express 5' ? '(/x|/y/:z)' : '(^\\/x\\/?(?=\\/|$)|^\\/y(?:\\/([^/]+?))\\/?(?=\\/|$))'}/:item [GET]`]: 2,
      '(^\\/release-\\d+)/:item [GET]': 2,
    });
  });

  t.test(`${version}: applications in an application`, async (t) => {
    const inner = express();
    inner.get('/things/:id', done);
    const routed = express.Router();
    routed.get('/deep/:id', done);
    inner.use('/:tenant', routed);
    const middle = express();
    middle.use('/inner', inner);
    const within = express();
    within.get('/page/:n', done);
    const router = express.Router();
    router.use('/within', within as Handler);
    const app = express();
    app.use(expressTelemetry());
    app.use('/middle/:m', middle as Handler);
    app.use('/router', router as Handler);
    const { get, rows } = await serve(t, app);
    for (const path of ['/middle/1/inner/things/2', '/middle/3/inner/acme/deep/4', '/router/within/page/5'])
      t.equal(await get(path), '200 done', path);
    t.same(countLabels(await rows()), {
      '/middle/:m/inner/things/:id [GET]': 1,
      '/middle/:m/inner/:tenant/deep/:id [GET]': 1,
      '/router/within/page/:n [GET]': 1,
    });
  });

  t.test(`${version}: errors are timed under the route that they came from`, async (t) => {
    const app = express();
    app.use(expressTelemetry());
    const router = express.Router();
    router.get('/throws/:id', () => {
      throw new Error('on purpose');
    });
    router.get('/passes/:id', (_, __, next) => next(new Error('on purpose')));
    app.use('/one/:a', router);
    app.use('/two', router);
    const silent = express.Router();
    silent.get('/default', (_, __, next) => next(new Error('not shown')));
    app.use((error: Error, _: unknown, response: Answer, next: (error: unknown) => void) =>
      error.message === 'on purpose' ? response.status(500).send(error.message) : next(error),
    );
    app.use('/silent', silent);
    const { get, rows } = await serve(t, app);
    t.equal(await get('/one/1/throws/1'), '500 on purpose');
    t.equal(await get('/two/passes/2'), '500 on purpose');
    t.match(await get('/silent/default'), /^500 /);
    t.same(countLabels(await rows()), {
      '/one/:a/throws/:id [GET]': 1,
      '/two/passes/:id [GET]': 1,
      '/silent/default [GET]': 1,
    });
  });

  t.test(`${version}: what no route takes has one label for each method`, async (t) => {
    const app = express();
    app.use(expressTelemetry());
    app.get('/known', done);
    app.use('/api', express.Router().use(pass) as Handler);
    const { get, port, rows } = await serve(t, app);
    t.match(await get('/unknown'), /^404 /);
    await get('/api/unknown', { method: 'PUT' });
    t.match(await get('/%zz'), /^40\d /);
    await sendMany(port, [...Array.from({ length: 10_000 }, (_, i) => `/no/${i}`), '/last']);
    t.same(countLabels(await rows()), { '(no route) [GET]': 10_003, '(no route) [PUT]': 1 });
  });

  t.test(`${version}: each of many at once; a client that leaves`, async (t) => {
    const app = express();
    app.use(expressTelemetry());
    app.get('/wait/:ms', async (request, response) => {
      await wait(Number(request.params.ms));
      response.send('done');
    });
    const arrived = Promise.withResolvers<void>();
    const left = Promise.withResolvers<void>();
    app.get('/hangs', (request) => {
      request.once('close', left.resolve);
      arrived.resolve();
    });
    const { get, port, rows } = await serve(t, app);
    const client = connect(port, '127.0.0.1');
    client.write('GET /hangs HTTP/1.1\r\nHost: x\r\n\r\n');
    await arrived.promise;
    client.destroy();
    await left.promise;
    const began = performance.now();
    await Promise.all([150, 1, 75].map((ms) => get(`/wait/${ms}`)));
    const all = (performance.now() - began) / 1000;
    const found = await rows();
    t.same(countLabels(found), { '/hangs [GET]': 1, '/wait/:ms [GET]': 3 });
    const values = found.filter(({ label }) => label.startsWith('/wait')).map(({ value }) => value);
    t.ok(
      values.sort((a, b) => a - b).every((value, i) => value >= [0, 0.074, 0.149][i]! && value <= all),
      `${values}, all together took ${all}`,
    );
  });

  t.test(`${version}: off, nothing`, async (t) => {
    const app = express();
    app.use(expressTelemetry());
    app.get('/', done);
    const { get, rows } = await serve(t, app, false);
    t.equal(await get('/'), '200 done');
    t.same(await rows(), []);
  });
}

t.test('routers that do not tell their patterns: names in place of values, and an end of labels', async (t) => {
  const app = express5();
  app.use(expressTelemetry());
  const items = routerBefore();
  items.get('/:item', done);
  const users = routerBefore();
  users.use('/users/:user/items', items as Handler);
  users.use('/files/*path/items', items as Handler);
  users.use(/^\/r\d+/, items as Handler);
  app.use('/api/:version', users as Handler);
  const { get, port, rows } = await serve(t, app);
  await get('/api/1/users/ann/items/1');
  await get('/api/2/users/b%20c/items/2');
  await get('/api/2/files/a/b/items/3');
  await sendMany(port, [...Array.from({ length: 10_000 }, (_, i) => `/api/1/r${i}/x`), '/last']);
  const counts = countLabels(await rows());
  t.equal(counts['/api/:version/users/:user/items/:item [GET]'], 2);
  t.equal(counts['/api/:version/files/*path/items/:item [GET]'], 1);
  t.equal(counts['/api/:version/(mount)/:item [GET]'], 9_980);
  t.equal(Object.keys(counts).length, 24, 'with 20 of what the expression took, and (no route)');
});

t.test('a router behind a function of the service', async (t) => {
  const app = express5();
  app.use(expressTelemetry());
  const hidden = express5.Router();
  hidden.get('/things/:id', done);
  app.use('/hidden/:a', (request: any, response: Answer, next: () => void) =>
    (hidden as Handler)(request, response, next),
  );
  const { get, rows } = await serve(t, app);
  t.equal(await get('/hidden/1/things/2'), '200 done');
  t.same(countLabels(await rows()), { '(mount)/things/:id [GET]': 1 });
});
