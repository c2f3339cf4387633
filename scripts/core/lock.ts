/**
 * Locks between processes. SQLite's lock on a file, because the kernel drops it with the process: a killed one leaves
 * nothing to clean up. It holds where the store of the data folder does, since that is a SQLite file too.
 */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const RETRY_MS = 200;

/** One set-up at a time on a host, whatever the checkout: the second finds what the first has made. */
export const LOCK_FILE = join(tmpdir(), `mayfly-setup-${process.getuid?.() ?? 'user'}.lock`);

/** Waits until no other process holds the lock and takes it; disposing gives it back. */
export async function hostLock(options: {
  file?: string;
  onWait: () => void;
  signal?: AbortSignal | undefined;
}): Promise<Disposable> {
  const file = options.file ?? LOCK_FILE;
  for (let waited = false; ; waited = true) {
    const lock = await tryLock(file);
    if (lock) return lock;
    if (!waited) options.onWait();
    await sleep(RETRY_MS, undefined, { signal: options.signal }).catch((error) => {
      throw options.signal?.reason ?? error;
    });
  }
}

/** Takes the lock; null where somebody has it, or its folder is gone. Disposing gives it back; the file stays. */
export async function tryLock(file: string): Promise<Disposable | null> {
  const { DatabaseSync } = await import('node:sqlite');
  let db: InstanceType<typeof DatabaseSync> | undefined;
  try {
    db = new DatabaseSync(file);
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    db?.close();
    if (/locked|unable to open/.test(String(error))) return null;
    throw error;
  }
  // Whoever had it before may have removed the folder meanwhile.
  if (!existsSync(file)) {
    db.close();
    return null;
  }
  return { [Symbol.dispose]: () => db.close() };
}
