/** The end of a run's metrics: shipped and proven, or kept on this host until `npm run archive:push`. */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { MayflyError } from '../errors.ts';
import { LABEL } from '../plan/names.ts';
import { isAlive, thisProcess } from '../plan/process.ts';
import { OWNER_FILE, PENDING_FILE } from '../stack/sweep.ts';
import type { ArchiveDocument } from '../types.ts';
import { openBucket, type Bucket } from './bucket.ts';
import { readSnapshot, type Snapshot } from './snapshot.ts';
import { uploadSnapshot, type ExternalLabels } from './upload.ts';

/** What pending.json holds: all that is needed to ship the snapshot later. */
interface Pending {
  labels: ExternalLabels;
  objstore?: string;
}

/** Marks the snapshot as waiting: from here on it survives everything, a kill included. */
export async function keepForLater(runDir: string, labels: ExternalLabels, objstore: string | undefined): Promise<void> {
  const pending: Pending = { labels, ...(objstore ? { objstore } : {}) };
  await writeFile(join(runDir, PENDING_FILE), JSON.stringify(pending, null, 2));
  const keep = ['snapshot', PENDING_FILE, OWNER_FILE];
  for (const entry of await readdir(runDir)) {
    if (!keep.includes(entry)) await rm(join(runDir, entry), { recursive: true, force: true });
  }
}

/** Ships a snapshot. A store that cannot be reached is no failure of the run: the snapshot waits, and the document says why. */
export async function ship(snapshot: Snapshot, runDir: string, labels: ExternalLabels, bucket: Bucket, ctx: Context): Promise<ArchiveDocument> {
  const step = ctx.progress.step(`ship ${snapshot.blocks.length} block${snapshot.blocks.length === 1 ? '' : 's'} to ${bucket.name}`);
  const archive = { bucket: bucket.name, blocks: snapshot.blocks };
  try {
    await uploadSnapshot(snapshot, labels, bucket, ownerLabels(labels.run_id), ctx);
    await rm(runDir, { recursive: true, force: true });
    step.done();
    return { ...archive, verified: true, pending: false };
  } catch (error) {
    step.fail();
    ctx.signal.throwIfAborted();
    if (!(error instanceof MayflyError)) throw error;
    ctx.progress.warn(`${error.message}; they are kept on this host: npm run archive:push ships them later`);
    return { ...archive, verified: false, pending: true, error: error.message };
  }
}

/** Ships every snapshot that waits; returns what became of each. */
export async function pushPending(ctx: Context): Promise<{ run_id: string; archive: ArchiveDocument }[]> {
  const results: { run_id: string; archive: ArchiveDocument }[] = [];
  for (const runId of (await readdir(ctx.paths.runs).catch(() => [] as string[])).sort()) {
    const runDir = join(ctx.paths.runs, runId);
    const text = await readFile(join(runDir, PENDING_FILE), 'utf8').catch(() => null);
    if (text === null || (await beingShipped(runDir))) continue;
    await writeFile(join(runDir, OWNER_FILE), JSON.stringify(thisProcess()));
    const { labels, objstore } = JSON.parse(text) as Pending;
    const archive = await ship(await readSnapshot(join(runDir, 'snapshot')), runDir, labels, await openBucket(objstore, ctx.paths), ctx);
    ctx.store.saveArchive(runId, archive);
    results.push({ run_id: runId, archive });
  }
  return results;
}

/** Whether another live process ships this snapshot at the moment. */
async function beingShipped(runDir: string): Promise<boolean> {
  const owner = JSON.parse(await readFile(join(runDir, OWNER_FILE), 'utf8').catch(() => '{}'));
  return owner.pid !== process.pid && isAlive(owner.pid ?? 0, owner.pidStart ?? '');
}

/** The uploader is not part of the run's stack: it lives on while that goes down. */
function ownerLabels(runId: string): Record<string, string> {
  const { pid, pidStart, hostname } = thisProcess();
  return { [LABEL.run]: `${runId}-upload`, [LABEL.pid]: String(pid), [LABEL.pidStart]: pidStart, [LABEL.hostname]: hostname };
}
