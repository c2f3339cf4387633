/**
 * The trend of a run goes the way of its metrics: shipped beside them, waiting with them, never twice; alone it may
 * fail.
 */
import { cpSync, existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Context } from '../../scripts/app/context.ts';
import type { Bucket } from '../../scripts/archive/bucket.ts';
import { settleFolder } from '../../scripts/archive/recovery/leftovers.ts';
import { shipPending } from '../../scripts/archive/ship.ts';
import { openMetrics, runSamples } from '../../scripts/archive/trend.ts';
import { dumpBlock, engine, onEngine } from '../e2e/helpers.ts';
import { blocksIn, context, RUN, readOnly, waitingRun } from './trend-context.ts';

t.teardown(() => engine.close());

const filesOf = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((file) => `${file} ${statSync(file).mtimeMs}`);

async function trendOf(t: Test, bucket: Bucket): Promise<string> {
  const trends = blocksIn(bucket.folder!).filter(({ labels }) => labels.stream === 'trend');
  t.equal(trends.length, 1, 'one trend block');
  return dumpBlock(t, join(bucket.folder!, trends[0]!.name));
}

t.test('both are shipped, and nothing stays that waits', async (t) => {
  const ctx = context(t);
  const { run, runDir, bucket, labels, shipIt } = await waitingRun(ctx);
  ctx.store.addChangePoint({
    benchmark: 'shop',
    host_id: 'h0st',
    metric: 'latency_med',
    commit: 'a'.repeat(40),
    before: 'b'.repeat(40),
    run_id: RUN,
    at: run.started_at,
    ratio: 1.25,
    found_at: run.finished_at!,
  });
  t.match(await shipIt(), { verified: true, pending: false });
  t.same(ctx.warnings, []);
  const samples = openMetrics(runSamples(run)).samples + 1;
  t.same(
    blocksIn(bucket.folder!)
      .map(({ labels, samples }) => ({ labels, samples }))
      .sort((a, b) => a.samples - b.samples),
    [
      { labels: { stream: 'raw', ...labels }, samples: 1 },
      { labels: { stream: 'trend' }, samples },
    ],
  );
  t.match(await trendOf(t, bucket), /\{__name__="mayfly_change_point".*\} 1\.25 /);
  t.same(readdirSync(runDir).sort(), ['made', 'owner.json'], 'nothing that waits is left');
  t.same(await onEngine(), []);
});

t.test(
  'a store that refuses: both wait, survive the settling of the folder, and the next push ships both, once',
  async (t) => {
    const ctx = context(t);
    const { runDir, bucket, shipIt } = await waitingRun(ctx);
    t.match(await shipIt(readOnly(bucket)), { verified: false, pending: true, error: /read-only/ });
    t.equal(ctx.warnings.length, 1, 'one warning for both');
    t.match(ctx.warnings[0], /archive:push ships them later/);
    t.same(blocksIn(bucket.folder!), []);
    await settleFolder(RUN, ctx);
    t.same(readdirSync(runDir).sort(), ['owner.json', 'pending.json', 'run.lock', 'snapshot', 'trend']);
    const [made] = readdirSync(join(runDir, 'trend', 'blocks')).filter((name) => /^[0-9A-Z]{26}$/.test(name));
    cpSync(runDir, join(ctx.paths.data, 'copy'), { recursive: true });

    t.match(await shipPending(ctx), [{ run_id: RUN, archive: { verified: true, pending: false } }]);
    t.same(
      blocksIn(bucket.folder!)
        .filter(({ labels }) => labels.stream === 'trend')
        .map(({ name }) => name),
      [made],
      'the block that was made before',
    );
    t.notOk(existsSync(runDir));

    const files = filesOf(bucket.folder!);
    cpSync(join(ctx.paths.data, 'copy'), runDir, { recursive: true });
    t.match(await shipPending(ctx), [{ archive: { verified: true } }]);
    t.same(filesOf(bucket.folder!), files, 'the same folder pushed again writes nothing');
  },
);

t.test(
  'killed between the two: the trend that is shipped is not made again, though the compactor has merged it away',
  async (t) => {
    const ctx = context(t);
    const { runDir, bucket, shipIt } = await waitingRun(ctx);
    const before = {
      ...ctx,
      engine: {
        ...ctx.engine,
        create: (spec: Parameters<typeof engine.create>[0]) =>
          spec.name.includes('-upload-uploader') ? Promise.reject(new Error('killed')) : ctx.engine.create(spec),
      },
    };
    await t.rejects(shipIt(bucket, before), /killed/);
    const [first] = blocksIn(bucket.folder!);
    t.match(first, { labels: { stream: 'trend' } });
    t.ok(existsSync(join(runDir, 'pending.json')));
    rmSync(join(bucket.folder!, first!.name), { recursive: true });
    t.match(await shipPending(ctx), [{ archive: { verified: true } }]);
    t.same(
      blocksIn(bucket.folder!).map(({ labels }) => labels.stream),
      ['raw'],
    );
  },
);

t.test('a trend made before the run was known to be interrupted is made again', async (t) => {
  const ctx = context(t);
  const { bucket, shipIt } = await waitingRun(ctx, { status: 'running', finished_at: undefined });
  await shipIt(readOnly(bucket));
  ctx.store.finishRun(RUN, 'interrupted', '2026-01-02T03:05:00.000Z', 'its process was killed');
  await shipPending(ctx);
  const dump = await trendOf(t, bucket);
  t.match(dump, /mayfly_run_duration_seconds.*status="interrupted"\} 60 /);
  t.notMatch(dump, /running/);
});

t.test('a trend that alone fails is a warning, and the run is shipped', async (t) => {
  const ctx = context(t);
  const { runDir, bucket, shipIt } = await waitingRun(ctx);
  const without = {
    ...ctx,
    machine: { ...ctx.machine, images: { ...ctx.machine.images, prometheus: { ref: 'mayfly/no-such-image:1' } } },
  } as unknown as Context;
  t.match(await shipIt(bucket, without), { verified: true, pending: false });
  t.match(ctx.warnings, [
    new RegExp(
      `the trend of run ${RUN} is not in .*bucket: .*no-such-image.*\nThe metrics themselves are. npm run archive -- rebuild-trends makes the trend anew`,
      's',
    ),
  ]);
  t.equal(blocksIn(bucket.folder!).length, 1);
  t.notOk(existsSync(join(runDir, 'pending.json')));
});

t.test('an interrupt leaves both to the next push', async (t) => {
  const ctx = context(t);
  const { bucket, shipIt } = await waitingRun(ctx, { status: 'invalid' });
  const controller = new AbortController();
  const shipping = shipIt(bucket, { ...ctx, signal: controller.signal });
  controller.abort(new Error('interrupted by SIGINT'));
  await t.rejects(shipping, /interrupted by SIGINT/);
  t.match(ctx.store.run(RUN).archive, { pending: true });
  t.same(await onEngine(), []);
  t.match(await shipPending(ctx), [{ archive: { verified: true } }]);
  t.match(await trendOf(t, bucket), /status="invalid", verdict="INVALID"/);
});
