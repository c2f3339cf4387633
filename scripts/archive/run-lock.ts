/**
 * One process at a time brings a run's metrics to safety: two pushes, or a push and a sweep, do not meet in one folder.
 */
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { thisProcess } from '../engine/owner.ts';
import { ownerIn } from '../stack/run-folder.ts';

export const LOCK_FILE = 'push.lock';

/**
 * Takes the lock of a run's folder, over from a dead process too; null where a live one has it, or the folder is gone.
 * Disposing gives it back.
 */
export async function lockRun(runDir: string): Promise<AsyncDisposable | null> {
  const lock = join(runDir, LOCK_FILE);
  if (!(await create(lock)) && !((await removeStale(lock)) && (await create(lock)))) return null;
  return { [Symbol.asyncDispose]: () => rm(lock, { force: true }) };
}

/** Makes the lock with its content in one step, where there is none. */
async function create(lock: string): Promise<boolean> {
  const own = `${lock}.${process.pid}.tmp`;
  try {
    await writeFile(own, JSON.stringify(thisProcess()));
    await link(own, lock);
    return true;
  } catch (error) {
    if (['EEXIST', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  } finally {
    await rm(own, { force: true });
  }
}

/** Takes the lock of a dead process away; one that another process has renewed meanwhile is put back. */
async function removeStale(lock: string): Promise<boolean> {
  const owner = await ownerIn(lock);
  if (owner !== 'dead' && owner !== 'unreadable') return false;
  const seen = await readFile(lock, 'utf8').catch(() => null);
  const aside = `${lock}.${process.pid}.stale`;
  try {
    await rename(lock, aside);
  } catch {
    return false;
  }
  const renewed = (await readFile(aside, 'utf8')) !== seen;
  if (renewed) await link(aside, lock).catch(() => {});
  await rm(aside, { force: true });
  return !renewed;
}
