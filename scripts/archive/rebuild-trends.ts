/** The whole trend stream anew from the store: after a loss, after a change of what it holds, or to correct it. */
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ulid } from 'ulid';
import type { Context } from '../app/context.ts';
import { InfrastructureError, UsageError } from '../core/errors.ts';
import type { ProgressStep } from '../core/progress.ts';
import { inStep } from '../core/step.ts';
import { plural } from '../core/text.ts';
import type { StoredRun } from '../store/db.ts';
import {
  type Block,
  giveToCompactor,
  isRaw,
  isTrend,
  keepFromCompactor,
  listBlocks,
  markForDeletion,
} from './blocks.ts';
import type { Bucket } from './bucket.ts';
import { LOCK_FILE, lockRun } from './run-lock.ts';
import { readSnapshot } from './snapshot.ts';
import { changePointSamples, openMetrics, runSamples, TREND_LABELS, type TrendSample } from './trend.ts';
import { makeBlocks } from './trend-blocks.ts';
import { uploadBlocks } from './upload.ts';

export interface Rebuilt {
  /** Blocks that were made. */
  blocks: number;
  /** Runs that are in them. */
  runs: number;
  /** Blocks of before, marked for deletion. */
  removed: number;
}

/**
 * promtool's longest block, 2 h times 3 to the ninth. It reads its input once a block: of one with years in it
 * thousands of times, were it left to its 2 h.
 */
const BLOCK_HOURS = 39_366;
/** A piece of about 30 MB of text: neither this process nor promtool holds the whole history. */
const SAMPLES_AT_ONCE = 100_000;

/**
 * Makes the trend blocks of every archived run of the store, whichever bucket it was shipped to, uploads them, and only
 * then marks those that were there before for deletion. They stay where the bucket has runs that this store does not
 * know: they may be the only ones of theirs. A run that ends meanwhile is not lost: its block is not among those of
 * before.
 * Throws UsageError where the store has no such run and the bucket has trend blocks, and InfrastructureError; then the
 * blocks of before are still there.
 */
export async function rebuildTrends(bucket: Bucket, ctx: Context, samplesAtOnce = SAMPLES_AT_ONCE): Promise<Rebuilt> {
  const folder = join(ctx.paths.cache, 'trends');
  await mkdir(folder, { recursive: true });
  using lock = await lockRun(folder);
  if (!lock)
    throw new InfrastructureError('the trends of this data folder are being rebuilt already', {
      hint: 'Try again when it has ended.',
    });
  try {
    await clear(folder);
    return await rebuild(folder, samplesAtOnce, bucket, ctx);
  } finally {
    await clear(folder);
  }
}

async function rebuild(folder: string, samplesAtOnce: number, bucket: Bucket, ctx: Context): Promise<Rebuilt> {
  const before = (await listBlocks(bucket, ctx)).blocks.filter((block) => !block.marked);
  const old = before.filter(isTrend).map((block) => block.ulid);
  const stored = ctx.store.stored(); // read after the list: whatever has a block in it is in the store by now
  const runs = stored.filter(({ archive, status }) => archive && status !== 'running');
  if (runs.length === 0 && old.length > 0) {
    throw new UsageError(
      `${bucket.name} has ${plural(old.length, 'trend block')}, but no run of the store ${ctx.paths.db} was ever archived`,
      { hint: 'Set MAYFLY_DATA to the data folder that the runs were made with.' },
    );
  }
  const blocks = await withoutCompaction(bucket, old, ctx, () =>
    inStep(ctx.progress, `rebuild the trend of ${plural(runs.length, 'run')}`, (step) =>
      makeAndShip(pieces(runs, samplesAtOnce, step, ctx), folder, bucket, ctx),
    ),
  );
  const unknown = unknownRuns(before, stored);
  if (unknown.length === 0) await markForDeletion(bucket, old, 'rebuilt from the store', ctx);
  else if (old.length > 0)
    ctx.progress.warn(
      `${unknown.length === 1 ? 'a run' : `${unknown.length} runs`} of ${bucket.name} (${unknown.slice(0, 3).join(', ')}) ${unknown.length === 1 ? 'is' : 'are'} not in this store: the trend blocks of before stay, since they may hold what no other block does`,
    );
  return { blocks, runs: runs.length, removed: unknown.length === 0 ? old.length : 0 };
}

/**
 * Keeps the compactor from the blocks, since what it made of them meanwhile would stay; where `work` fails they are its
 * own again.
 */
async function withoutCompaction<T>(bucket: Bucket, ids: string[], ctx: Context, work: () => Promise<T>): Promise<T> {
  await keepFromCompactor(bucket, ids, 'about to be rebuilt from the store', ctx);
  return work().catch(async (error) => {
    await giveToCompactor(bucket, ids, { ...ctx, signal: new AbortController().signal }).catch((failure: Error) =>
      ctx.progress.warn(`${ids.length} trend blocks stay unmerged until the next rebuild: ${failure.message}`),
    );
    throw error;
  });
}

/** Makes a block of each piece and ships them all; returns how many. */
async function makeAndShip(
  pieces: AsyncIterable<TrendSample[]>,
  folder: string,
  bucket: Bucket,
  ctx: Context,
): Promise<number> {
  const owner = `${ulid()}-trend`;
  const dir = join(folder, 'blocks');
  await mkdir(dir, { recursive: true });
  for await (const samples of pieces) {
    ctx.signal.throwIfAborted();
    const made = await makeBlocks(openMetrics(samples), join(folder, 'piece'), { owner, hours: BLOCK_HOURS }, ctx);
    for (const block of made.blocks) await rename(join(made.dir, block), join(dir, block));
  }
  const snapshot = await readSnapshot(dir);
  if (snapshot.blocks.length > 0)
    await uploadBlocks({ snapshot, labels: TREND_LABELS, owner, what: 'the trend' }, bucket, ctx);
  return snapshot.blocks.length;
}

/**
 * The samples of all runs in pieces that follow each other in time: a block for each, of which none overlaps another.
 */
async function* pieces(
  runs: StoredRun[],
  samplesAtOnce: number,
  step: ProgressStep,
  ctx: Context,
): AsyncGenerator<TrendSample[]> {
  let open = changePointSamples(ctx.store.changePoints());
  for (const [index, { run_id, started_at }] of runs.entries()) {
    if (open.length >= samplesAtOnce) {
      step.update(`run ${index + 1} of ${runs.length}`, index / runs.length);
      const end = Date.parse(started_at); // runs come by their start: none of the next has a sample before it
      const complete = open.filter(({ atMs }) => atMs < end);
      if (complete.length > 0) yield complete;
      open = open.filter(({ atMs }) => atMs >= end);
    }
    for (const sample of runSamples(ctx.store.run(run_id))) open.push(sample);
  }
  if (open.length > 0) yield open;
}

/** Runs with raw metrics in the bucket that the store has no record of. */
function unknownRuns(blocks: Block[], stored: StoredRun[]): string[] {
  const known = new Set(stored.map(({ run_id }) => run_id));
  return [
    ...new Set(
      blocks
        .filter(isRaw)
        .flatMap(({ labels }) => (labels.run_id !== undefined && !known.has(labels.run_id) ? [labels.run_id] : [])),
    ),
  ].sort();
}

/** Empties the folder but for its lock. */
async function clear(folder: string): Promise<void> {
  for (const entry of await readdir(folder))
    if (entry !== LOCK_FILE) await rm(join(folder, entry), { recursive: true, force: true });
}
