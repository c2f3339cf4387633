/**
 * One process at a time brings a run's metrics to safety: two pushes, or a push and a sweep, do not meet in one folder.
 */
import { join } from 'node:path';
import { tryLock } from '../core/lock.ts';

export const LOCK_FILE = 'run.lock';

/** Takes the lock of a folder; null where a live process has it, or the folder is gone. Disposing gives it back. */
export const lockRun = (folder: string): Promise<Disposable | null> => tryLock(join(folder, LOCK_FILE));
