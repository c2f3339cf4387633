/** The series of a run's telemetry become blocks in its snapshot, once, and go the way of its metrics. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Context } from '../../scripts/app/context.ts';
import { checkBlock } from '../../scripts/archive/block-check.ts';
import { isRunTelemetry, listBlocks, TELEMETRY_MARK } from '../../scripts/archive/blocks.ts';
import { settleFolder } from '../../scripts/archive/recovery/leftovers.ts';
import { addTelemetry } from '../../scripts/archive/telemetry-blocks.ts';
import { keepSeries, namesOfSeries } from '../../scripts/telemetry/series-files.ts';
import { dumpBlock, engine } from '../e2e/helpers.ts';
import { context, RUN, waitingRun } from './trend-context.ts';

t.teardown(() => engine.close());

const AT = Date.UTC(2026, 0, 2, 3, 4, 30);
const series = (round: number, side: string) => ({
  text: `# TYPE mayfly_runtime gauge\nmayfly_runtime{side="${side}",round="${round}",label="heap"} 7 ${(AT + round * 1000 + 0.5) / 1000}\n# EOF\n`,
  samples: 1,
  firstMs: AT + round * 1000,
  lastMs: AT + round * 1000,
});
const SIDES = ['candidate', 'baseline'];

t.test('one block of all rounds, under the labels of the run; again changes nothing', async (t) => {
  const ctx = context(t);
  const { runDir, bucket, labels, shipIt } = await waitingRun(ctx);
  for (const round of [1, 2])
    for (const side of SIDES) await keepSeries(runDir, `round-${round}-${side}`, series(round, side));
  t.match(await shipIt(), { verified: true, blocks: { length: 2 } });
  t.same(ctx.warnings, []);
  t.notOk(existsSync(join(runDir, 'telemetry-series')));
  const { blocks } = await listBlocks(bucket, ctx);
  const own = blocks.filter(isRunTelemetry);
  t.match(own, [{ labels: { stream: 'raw', ...labels }, samples: 4 }]);
  const folder = join(bucket.folder!, own[0]!.ulid);
  t.match(await checkBlock(folder), { faults: [] });
  const dumped = await dumpBlock(t, folder);
  for (const round of [1, 2])
    for (const side of SIDES)
      t.match(
        dumped,
        `{__name__="mayfly_runtime", label="heap", round="${round}", side="${side}"} 7 ${AT + round * 1000}`,
      );
});

t.test('a kill between a block and the end: what is in it is not made again', async (t) => {
  const ctx = context(t);
  const { runDir } = await waitingRun(ctx);
  const snapshot = join(runDir, 'snapshot');
  await keepSeries(runDir, 'round-1-candidate', series(1, 'candidate'));
  cpSync(join(runDir, 'telemetry-series'), join(runDir, 'copy'), { recursive: true });
  await addTelemetry(runDir, snapshot, RUN, ctx);
  const blocks = readdirSync(snapshot).sort();
  cpSync(join(runDir, 'copy'), join(runDir, 'telemetry-series'), { recursive: true });
  await addTelemetry(runDir, snapshot, RUN, ctx);
  t.same(readdirSync(snapshot).sort(), blocks);
  t.same(await namesOfSeries(runDir), []);
  const marks = blocks.filter((block) => existsSync(join(snapshot, block, TELEMETRY_MARK)));
  t.match(
    marks.map((block) => JSON.parse(readFileSync(join(snapshot, block, TELEMETRY_MARK), 'utf8'))),
    [{ schema: 'mayfly.telemetry-block/v1', of: ['round-1-candidate'] }],
  );
});

t.test('after an interrupt they wait with the snapshot; what cannot be made hinders nothing', async (t) => {
  const ctx = context(t);
  const { runDir, shipIt } = await waitingRun(ctx);
  await keepSeries(runDir, 'round-1-candidate', series(1, 'candidate'));
  const interrupted = { ...ctx, signal: AbortSignal.abort(new Error('interrupted')) } as Context;
  await settleFolder(RUN, interrupted);
  t.same(ctx.warnings, [
    `the telemetry of run ${RUN} waits on this host: npm run archive:push puts it into the archive`,
  ]);
  t.same(await namesOfSeries(runDir), ['round-1-candidate'], 'the rest of the folder goes, they stay');
  mkdirSync(join(runDir, 'telemetry-series'), { recursive: true });
  writeFileSync(
    join(runDir, 'telemetry-series', 'round-2-candidate.txt'),
    '{"samples":1,"firstMs":1,"lastMs":1}\nno metrics\n# EOF\n',
  );
  ctx.warnings.length = 0;
  t.match(await shipIt(), { verified: true, blocks: { length: 1 } }, 'the metrics are shipped');
  t.match(ctx.warnings, [
    /^the telemetry of run \w+ is not in its archive: promtool .*; what was summed up of it is kept$/,
  ]);
});
