/** The end of a run's metrics: shipped and proven, or kept on this host until `npm run archive:push`. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../app/context.ts';
import { InfrastructureError, MayflyError } from '../core/errors.ts';
import { plural } from '../core/text.ts';
import type { ArchiveDocument } from '../documents/run.ts';
import { LABEL } from '../engine/names.ts';
import { runOwner } from '../stack/run-folder.ts';
import { type Bucket, openBucket } from './bucket.ts';
import { moved, readPending, removePending } from './pending.ts';
import { knownRun } from './recovery/recover.ts';
import { lockRun } from './run-lock.ts';
import type { Snapshot } from './snapshot.ts';
import { shipTrend } from './trend-ship.ts';
import { type ExternalLabels, uploadSnapshot } from './upload.ts';

export interface ShippedRun {
  run_id: string;
  archive: ArchiveDocument;
}

/**
 * Ships a waiting snapshot and, beside it, the trend of its run; stores what became of it and, once it is proven,
 * removes it; the rest of the run's folder stays. A store that cannot be reached is no failure of the run: the snapshot
 * waits, with the trend, and the document says why. A trend that alone cannot be shipped is a warning: it can be made
 * anew.
 */
export async function ship(
  snapshot: Snapshot,
  runDir: string,
  labels: ExternalLabels,
  bucket: Bucket,
  ctx: Context,
): Promise<ArchiveDocument> {
  const archive = { bucket: bucket.name, blocks: snapshot.blocks };
  const save = (state: Omit<ArchiveDocument, 'requests'>) => {
    const document = {
      ...state,
      ...(snapshot.requests ? { requests: { ...snapshot.requests, verified: state.verified } } : {}),
    };
    ctx.store.saveArchive(labels.run_id, document);
    return document;
  };
  // true for an interrupt and for a kill
  save({ ...archive, verified: false, pending: true, error: 'its upload did not end' });
  const step = ctx.progress.step(
    `ship ${plural(snapshot.blocks.length, 'block')}${snapshot.requests ? ` and ${plural(snapshot.requests.rows, 'request')}` : ''} to ${bucket.name}`,
  );
  const [failure, trendFailure] = await Promise.all([
    failureOf(uploadSnapshot(snapshot, labels, bucket, ctx)),
    failureOf(shipTrend(ctx.store.run(labels.run_id), runDir, bucket, ctx)),
  ]);
  if (failure) {
    step.fail();
    ctx.signal.throwIfAborted();
    if (!(failure instanceof MayflyError)) throw failure;
    ctx.progress.warn(`${failure.message}; they are kept on this host: npm run archive:push ships them later`);
    return save({ ...archive, verified: false, pending: true, error: failure.message });
  }
  if (trendFailure && ctx.signal.aborted) {
    step.fail();
    ctx.signal.throwIfAborted(); // the next push ships the trend, and finds the rest shipped
  }
  const shipped = save({ ...archive, verified: true, pending: false });
  await removePending(runDir);
  step.done();
  if (trendFailure)
    ctx.progress.warn(
      `the trend of run ${labels.run_id} is not in ${bucket.name}: ${trendFailure.message}\nThe metrics themselves are. npm run archive -- rebuild-trends makes the trend anew`,
    );
  return shipped;
}

/** What made it fail; null where it has done its work. */
const failureOf = (work: Promise<unknown>): Promise<Error | null> =>
  work.then(
    () => null,
    (error: Error) => error,
  );

/**
 * Ships every snapshot that waits, each by itself; returns what became of each. One that a live process ships is left
 * to it.
 */
export async function shipPending(ctx: Context): Promise<ShippedRun[]> {
  const results: ShippedRun[] = [];
  for (const runId of (await readdir(ctx.paths.runs).catch(() => [] as string[])).sort()) {
    try {
      results.push(...(await shipPendingRun(runId, join(ctx.paths.runs, runId), ctx)));
    } catch (error) {
      ctx.signal.throwIfAborted();
      const message = [(error as Error).message, (error as MayflyError).hint].filter(Boolean).join('. ');
      results.push({
        run_id: runId,
        archive: { bucket: '', blocks: [], verified: false, pending: true, error: message },
      });
    }
  }
  return results;
}

/** Ships what waits in one run's folder, if anything does. */
async function shipPendingRun(runId: string, runDir: string, ctx: Context): Promise<ShippedRun[]> {
  const owner = await runOwner(runDir);
  if (owner === 'live' || owner === 'elsewhere') return [];
  using lock = await lockRun(runDir);
  const pending = lock && (await readPending(runDir)); // read only now: another push may just have ended
  if (!pending) return [];
  if (!knownRun(runId, ctx))
    throw new InfrastructureError(`there is no run ${runId} in the store of this data folder`, {
      hint: `Put the store back, or give the run's metrics up: rm -r ${runDir}`,
    });
  const snapshot = await moved(runDir, pending, ctx);
  const archive = await ship(snapshot, runDir, pending.labels, await openBucket(pending.objstore, ctx.paths), ctx);
  const up = await ctx.engine.containers(`${LABEL.run}=${runId}`); // of --keep: they still use the folder
  // another push may try its lock there meanwhile
  if (!archive.pending && up.length === 0) await rm(runDir, { recursive: true, force: true, maxRetries: 3 });
  return [{ run_id: runId, archive }];
}
