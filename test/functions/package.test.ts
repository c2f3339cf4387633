/** The copies of the library: compiled, with all that its package exports. What they are made from, generated.test.ts proves. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import t from 'tap';
import { COPIES } from '../../scripts/dev/generate-vendored.ts';
import { run } from './run-function.ts';
import { zipkin } from './zipkin.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const copies = COPIES.filter((copy) => copy.endsWith('/mayfly-functions')).map((copy) => join(ROOT, copy));
const read = (folder: string) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

t.test('every copy exports what the source does, as JavaScript with types', async (t) => {
  t.ok(copies.length >= 4);
  const source = read(join(ROOT, 'functions'));
  for (const copy of copies) {
    const { exports, dependencies, license } = read(copy);
    t.same(
      [Object.keys(exports), dependencies, license],
      [Object.keys(source.exports), source.dependencies, 'Apache-2.0'],
    );
    for (const { types, default: code } of Object.values<{ types: string; default: string }>(exports))
      for (const file of [types, code]) t.ok(existsSync(join(copy, file)), join(copy, file));
  }
});

t.test('who has a copy depends on it by its folder, and its image gets that before its packages', async (t) => {
  for (const copy of copies.filter((copy) => copy.includes('/benchmarks/'))) {
    const service = join(copy, '../..');
    t.equal(read(service).dependencies['mayfly-functions'], 'file:vendor/mayfly-functions', service);
    t.match(readFileSync(join(service, 'Dockerfile'), 'utf8'), /^COPY vendor vendor\n(?:.*\n)*?RUN npm ci /m, service);
    const { packages } = JSON.parse(readFileSync(join(service, 'package-lock.json'), 'utf8'));
    t.same(
      packages['vendor/mayfly-functions'].dependencies,
      read(copy).dependencies,
      `${service}: its lock file is current`,
    );
  }
});

t.test('a copy works as it is: an event from a producer to a consumer, traced and logged', async (t) => {
  const { url, spans } = await zipkin(t);
  const of = (name: string) => JSON.stringify(join(copies[0]!, `dist/${name}.js`));
  const { code, stdout, stderr } = await run(
    t,
    `import { eventSink, serveEvents } from ${of('events')};
     import { log } from ${of('log')};
     import { tracing } from ${of('tracing')};
     import { nowMs } from ${of('clock')};
     import { record } from ${of('records')};
     tracing.start();
     const server = await serveEvents((event) => log.info('got', { order: event.data.order }), { port: 0, host: '127.0.0.1' });
     const sink = eventSink({ url: 'http://127.0.0.1:' + server.port + '/' });
     await sink.ready();
     await sink.send({ type: 'x', data: { order: 7 } }, { scheduledMs: nowMs() });
     record({ e: 'taken', t: nowMs(), id: '1', source: '/s', triggers: [] });
     sink.close();
     await server.stop();`,
    { env: { OTEL_EXPORTER_ZIPKIN_ENDPOINT: url } },
  );
  t.same([code, stderr], [0, '']);
  t.match(stdout, /^ts=\S{30} level=info trace=\w{32} msg="got" order=7\n$/);
  t.same(spans.map(({ name }) => name).sort(), ['consume x', 'send x']);
});
