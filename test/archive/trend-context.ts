/** For the tests of what is shipped: what a stage gets, with the real engine and a store and a bucket of its own. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { type Context, makeContext } from '../../scripts/app/context.ts';
import { isBlockName } from '../../scripts/archive/blocks.ts';
import { type Bucket, openBucket } from '../../scripts/archive/bucket.ts';
import { moved, readPending } from '../../scripts/archive/pending.ts';
import { ship } from '../../scripts/archive/ship.ts';
import { openMetrics } from '../../scripts/archive/trend.ts';
import { makeBlocks } from '../../scripts/archive/trend-blocks.ts';
import { paths } from '../../scripts/core/paths.ts';
import type { RunDocument } from '../../scripts/documents/run.ts';
import { IMAGES } from '../../scripts/images/images.ts';
import type { SetupResult } from '../../scripts/setup/machine.ts';
import { openStore } from '../../scripts/store/db.ts';
import { dataFolder, engine, ROOT } from '../e2e/helpers.ts';
import { makeRun } from '../run-document.ts';

export const RUN = '01K0000000000000000000000A';
const DEAD = JSON.stringify({ pid: 5_000_000, pidStart: '1' });

export interface TestContext extends Context {
  /** What was warned of. */
  warnings: string[];
}

export function context(t: Test): TestContext {
  const where = paths(ROOT, { MAYFLY_DATA: dataFolder(t) });
  const store = openStore(where.db);
  t.teardown(() => store.close());
  const warnings: string[] = [];
  const step = () => ({ update: () => {}, done: () => {}, fail: () => {} });
  const progress = { step, info: () => {}, warn: (line: string) => void warnings.push(line), close: () => {} };
  const image = (name: 'thanos' | 'prometheus') => ({ ref: IMAGES[name].ref });
  const machine = { images: { thanos: image('thanos'), prometheus: image('prometheus') } } as unknown as SetupResult;
  return {
    ...makeContext({
      paths: where,
      env: process.env,
      progress,
      signal: new AbortController().signal,
      engine,
      store,
      machine,
      obtainImages: () => Promise.reject(new Error('no image but those of the stack is wanted here')),
    }),
    warnings,
  };
}

/** Every block of a folder bucket that is not marked for deletion. */
export function blocksIn(
  folder: string,
): { name: string; labels: Record<string, string>; samples: number; level: number }[] {
  const metas = readdirSync(folder)
    .filter((name) => isBlockName(name) && !existsSync(join(folder, name, 'deletion-mark.json')))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(folder, name, 'meta.json'), 'utf8')));
  return metas.map((meta) => ({
    name: meta.ulid,
    labels: meta.thanos.labels,
    samples: meta.stats.numSamples,
    level: meta.compaction.level,
  }));
}

/** A run in the store and its folder with a snapshot that waits; the snapshot is any block. */
export async function waitingRun(ctx: TestContext, laid: Partial<RunDocument> = {}) {
  const run = makeRun({ run_id: RUN, archive: undefined, ...laid });
  ctx.store.addRun(run);
  const runDir = join(ctx.paths.runs, run.run_id);
  mkdirSync(runDir, { recursive: true });
  writeFileSync(join(runDir, 'owner.json'), DEAD);
  const made = await makeBlocks(
    openMetrics([{ series: 'up{job="services"}', value: 1, atMs: Date.parse(run.started_at) }]),
    join(runDir, 'made'),
    { owner: `${run.run_id}-raw` },
    ctx,
  );
  cpSync(made.dir, join(runDir, 'snapshot'), { recursive: true });
  const labels = { run_id: run.run_id, benchmark: run.benchmark, host: run.host.id };
  writeFileSync(join(runDir, 'pending.json'), JSON.stringify({ labels, from: 'snapshot' }));
  const bucket = await openBucket(undefined, ctx.paths);
  const shipIt = async (to: Bucket = bucket, by: Context = ctx) =>
    ship(await moved(runDir, (await readPending(runDir))!, by), runDir, labels, to, by);
  return { run, runDir, bucket, labels, shipIt };
}

/** The same bucket, in which nothing can be written. */
export const readOnly = (bucket: Bucket): Bucket => ({
  ...bucket,
  binds: bucket.binds.map((bind) => (bind.endsWith(':ro') ? bind : `${bind}:ro`)),
});
