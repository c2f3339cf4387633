/** The plugin times requests to a real Fastify under the patterns of its routes. */
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import Fastify, { type FastifyInstance } from 'fastify';
import t, { type Test } from 'tap';
import { fastifyTelemetry } from '../../telemetry/src/fastify.ts';
import { instrumentHttp } from '../../telemetry/src/http.ts';
import { start, stop } from '../../telemetry/src/session.ts';
import { countLabels, readRows } from './read-rows.ts';
import { sendMany } from './send-many.ts';

async function serve(t: Test, build: (app: FastifyInstance) => unknown, on = true) {
  const dir = t.testdir();
  t.ok(start({ dir, runtime: false, signal: null, on }));
  const app = Fastify({ forceCloseConnections: true, routerOptions: { ignoreTrailingSlash: true } });
  await build(app);
  await app.listen({ port: 0, host: '127.0.0.1' });
  t.teardown(async () => {
    stop();
    await app.close();
  });
  const { port } = app.server.address() as AddressInfo;
  const rows = async () => {
    await app.close();
    stop();
    return readRows(dir, 'duration');
  };
  const get = async (path: string, init?: RequestInit) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, init);
    return `${answer.status} ${await answer.text()}`;
  };
  return { port, app, rows, get };
}

t.test('patterns of routes: parameters, wildcards, prefixes, methods', async (t) => {
  const { get, rows } = await serve(t, async (app) => {
    app.get('/before', async () => 'declared before the plugin');
    await app.register(fastifyTelemetry);
    app.get('/', async () => 'root');
    app.get('/users/:id', async (request) => (request.params as { id: string }).id);
    app.delete('/users/:id', async () => 'gone');
    app.get('/files/*', async () => 'file');
    app.get('/v:major(^\\d+)/x', async () => 'version');
    await app.register(
      async (api) => {
        api.get('/orders/:id', async () => 'order');
        await api.register(async (deep) => deep.post('/', async () => 'item'), { prefix: '/orders/:id/items' });
      },
      { prefix: '/api' },
    );
  });
  t.equal(await get('/users/7'), '200 7');
  await get('/users/8?full=yes');
  await get('/users/8', { method: 'HEAD' });
  await get('/users/8', { method: 'DELETE' });
  for (const path of ['/', '/before', '/files/a/b/c', '/v12/x', '/api/orders/3']) await get(path);
  await get('/api/orders/3/items', { method: 'POST' });
  t.same(countLabels(await rows()), {
    '/users/:id [GET]': 2,
    '/users/:id [HEAD]': 1,
    '/users/:id [DELETE]': 1,
    '/ [GET]': 1,
    '/before [GET]': 1,
    '/files/* [GET]': 1,
    '/v:major(^\\d+)/x [GET]': 1,
    '/api/orders/:id [GET]': 1,
    '/api/orders/:id/items [POST]': 1,
  });
});

t.test('what no route takes has one label for each method, with handlers of its own too', async (t) => {
  const { get, port, rows } = await serve(t, async (app) => {
    await app.register(fastifyTelemetry);
    app.get('/known', async () => 'known');
    await app.register(
      async (api) => {
        api.setNotFoundHandler(async (_, reply) => reply.code(404).send('nothing of the API'));
      },
      { prefix: '/api' },
    );
  });
  t.match(await get('/unknown'), /^404 /);
  t.equal(await get('/api/unknown'), '404 nothing of the API');
  await get('/known', { method: 'POST' });
  await sendMany(port, [...Array.from({ length: 10_000 }, (_, i) => `/no/${i}`), '/last']);
  t.same(countLabels(await rows()), { '(no route) [GET]': 10_003, '(no route) [POST]': 1 });
});

t.test('requests that fail are timed as others', async (t) => {
  const { get, rows } = await serve(t, async (app) => {
    await app.register(fastifyTelemetry);
    app.get('/throws/:why', async () => {
      throw new Error('on purpose');
    });
    app.post('/checked', { schema: { body: { type: 'object', required: ['name'] } } }, async () => 'fine');
    app.get('/refused', { onRequest: async (_, reply) => reply.code(403).send('no') }, async () => 'never');
  });
  t.match(await get('/throws/1'), /^500 .*on purpose/);
  t.match(
    await get('/checked', { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }),
    /^400/,
  );
  t.equal(await get('/refused'), '403 no');
  t.same(countLabels(await rows()), { '/throws/:why [GET]': 1, '/checked [POST]': 1, '/refused [GET]': 1 });
});

t.test('each of many at once is timed by itself', async (t) => {
  const { get, rows } = await serve(t, async (app) => {
    await app.register(fastifyTelemetry);
    for (const ms of [1, 60, 120, 180])
      app.get(`/wait-${ms}`, async () => {
        await wait(ms);
        return 'done';
      });
  });
  const began = performance.now();
  await Promise.all([180, 120, 60, 1, 1, 60, 120, 180].map((ms) => get(`/wait-${ms}`)));
  const all = (performance.now() - began) / 1000;
  const found = await rows();
  t.equal(found.length, 8);
  for (const { label, value } of found) {
    const least = Number(/\d+/.exec(label)![0]) / 1000;
    t.ok(value >= least - 0.001 && value <= all, `${label}: ${value}, all together took ${all}`);
  }
});

t.test('registered within, it times what is within', async (t) => {
  const { get, rows } = await serve(t, async (app) => {
    app.get('/outside', async () => 'outside');
    await app.register(async (inner) => {
      await inner.register(fastifyTelemetry);
      inner.get('/inside', async () => 'inside');
      await inner.register(async (deeper) => deeper.get('/deeper', async () => 'deeper'));
    });
  });
  for (const path of ['/outside', '/inside', '/deeper']) await get(path);
  t.same(countLabels(await rows()), { '/inside [GET]': 1, '/deeper [GET]': 1 });
});

t.test('a client that leaves, and injected requests', async (t) => {
  const arrived = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  const { app, port, rows } = await serve(t, async (app) => {
    await app.register(fastifyTelemetry);
    app.get('/hangs', (request) => {
      request.raw.once('close', left.resolve);
      arrived.resolve();
    });
    app.get('/injected', async () => 'yes');
  });
  const client = connect(port, '127.0.0.1');
  client.write('GET /hangs HTTP/1.1\r\nHost: x\r\n\r\n');
  await arrived.promise;
  client.destroy();
  await left.promise;
  t.equal((await app.inject('/injected')).body, 'yes');
  t.same(countLabels(await rows()), { '/hangs [GET]': 1, '/injected [GET]': 1 });
});

t.test('with the server timed too, requests that reach no hook are counted, and others once', async (t) => {
  const { get, rows } = await serve(t, async (app) => {
    await app.register(fastifyTelemetry);
    instrumentHttp(app.server);
    app.get('/known/:id', async () => 'known');
  });
  t.match(await get('/%zz'), /^400 /);
  await get('/known/1');
  t.same(countLabels(await rows()), { '(no route) [GET]': 1, '/known/:id [GET]': 1 });
});

t.test('off: nothing', async (t) => {
  const { get, rows } = await serve(
    t,
    async (app) => {
      await app.register(fastifyTelemetry);
      app.get('/', async () => 'root');
    },
    false,
  );
  t.equal(await get('/'), '200 root');
  t.same(await rows(), []);
});
