/** What npm run traces does with the engine, by a stand-in for it and for Zipkin; the real ones: test/stories/traces.test.ts. */
import t, { type Test } from 'tap';
import type { Context } from '../../scripts/app/context.ts';
import { whileZipkinShows } from '../../scripts/archive/zipkin.ts';
import { InfrastructureError, Interrupted } from '../../scripts/core/errors.ts';
import { LABEL } from '../../scripts/engine/names.ts';
import { type ListedTrace, listed } from '../../scripts/traces/listed.ts';
import { fakeZipkin } from '../traces/fake-zipkin.ts';
import { BEGAN, made } from '../traces/made.ts';

const trace = (i: number, took: number, spans = 2) => {
  const more = { traceId: String(i).padStart(32, '0') };
  return [
    made('producer', null, i * 1e6, i * 1e6 + took, more),
    ...Array.from({ length: spans - 1 }, (_, n) => made(`call ${n}`, 'producer', i * 1e6 + 1, i * 1e6 + 5, more)),
  ];
};
const tracesOf = (lists: ReturnType<typeof trace>[]): ListedTrace[] =>
  listed([{ side: 'candidate', round: 1, traces: lists }]);

async function started(t: Test, { exits = null as number | null } = {}) {
  const fake = await fakeZipkin();
  t.teardown(fake.close);
  const user = new AbortController();
  const made: Record<string, any>[] = [];
  const there = { containers: [] as any[], networks: [] as any[] };
  const port = Number(new URL(fake.url).port);
  const engine = {
    createNetwork: async (name: string, labels: object, options: object) =>
      void there.networks.push({ id: name, name, labels, options }),
    create: async (spec: Record<string, any>) => {
      made.push(spec);
      there.containers.push({ id: 'c', name: spec.name, labels: spec.labels, state: 'running' });
      return 'c';
    },
    start: async () => {},
    inspect: async () => ({ ports: { '9411/tcp': port } }),
    wait: async (_: string, signal: AbortSignal) => {
      if (exits !== null) return exits;
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      throw signal.reason;
    },
    containers: async () => there.containers,
    networks: async () => there.networks,
    volumes: async () => [],
    remove: async () => void there.containers.pop(),
    removeNetwork: async () => void there.networks.pop(),
  };
  const step = { update: () => {}, done: () => {}, fail: () => {} };
  const ctx = {
    engine,
    signal: user.signal,
    machine: { images: { zipkin: { ref: 'openzipkin/zipkin:1' } } },
    progress: { step: () => step, start: () => step, info: () => {}, warn: () => {} },
  } as unknown as Context;
  return { fake, ctx, made, there, end: () => user.abort(new Interrupted()) };
}

t.test('it gets the traces, tells their addresses, and is gone when the user ends it', async (t) => {
  const { fake, ctx, made, there, end } = await started(t);
  const traces = tracesOf([trace(1, 500), trace(3, 900)]);
  const shown: string[] = [];
  await whileZipkinShows(
    traces,
    'id',
    (page, address) => {
      shown.push(page, ...traces.map(({ traceId }) => address(traceId)));
      setTimeout(end, 10);
    },
    ctx,
  );
  const from = BEGAN / 1000;
  t.strictSame(shown, [
    `${fake.url}/zipkin/?lookback=range&startTs=${from}&endTs=${from + 4000}&limit=2`,
    `${fake.url}/zipkin/traces/${'3'.padStart(32, '0')}`,
    `${fake.url}/zipkin/traces/${'1'.padStart(32, '0')}`,
  ]);
  t.equal(fake.spans.length, 4);
  t.match(made[0], {
    image: 'openzipkin/zipkin:1',
    publish: ['9411/tcp'],
    memoryBytes: 512 * 2 ** 20,
    labels: { [LABEL.run]: 'zipkin-id', [LABEL.pid]: String(process.pid), [LABEL.service]: 'zipkin' },
    networks: ['mayfly-zipkin-id'],
  });
  t.strictSame(there, { containers: [], networks: [] }, 'nothing stays');
});

t.test('more spans than it keeps: the slowest traces', async (t) => {
  const { fake, ctx, end } = await started(t);
  const traces = tracesOf(Array.from({ length: 80 }, (_, i) => trace(i, 1000 + i, 2000)));
  await whileZipkinShows(traces, 'id', () => setTimeout(end, 10), ctx);
  t.equal(fake.spans.length, 100_000);
  t.equal(fake.spans[0]!.duration, 1079, 'the slowest first');
});

t.test('where it refuses, ends, or is ended while it starts: said, and nothing stays', async (t) => {
  const refused = await started(t);
  refused.fake.answer = { status: 500, body: 'no' };
  await t.rejects(
    whileZipkinShows(tracesOf([trace(1, 9)]), 'id', () => t.fail(), refused.ctx),
    {
      constructor: InfrastructureError,
      message: 'Zipkin answered 500: no',
      hint: 'npm run traces -- RUN --list shows the traces without it.',
    },
  );
  t.strictSame(refused.there, { containers: [], networks: [] });
  const ended = await started(t, { exits: 3 });
  await t.rejects(
    whileZipkinShows(tracesOf([trace(1, 9)]), 'id', () => {}, ended.ctx),
    {
      message: 'Zipkin has ended by itself with exit code 3',
    },
  );
  t.strictSame(ended.there, { containers: [], networks: [] });
  const early = await started(t);
  early.end();
  await t.rejects(
    whileZipkinShows(tracesOf([trace(1, 9)]), 'id', () => t.fail(), early.ctx),
    Interrupted,
  );
  t.strictSame(early.there, { containers: [], networks: [] });
});
