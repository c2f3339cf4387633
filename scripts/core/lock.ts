/** One set-up at a time on a host, whatever the checkout: the second finds what the first has made. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const RETRY_MS = 200;

export const LOCK_FILE = join(tmpdir(), `mayfly-setup-${process.getuid?.() ?? 'user'}.lock`);

/**
 * Waits until no other process holds the lock and takes it; disposing gives it back.
 * SQLite's lock on a file, because the kernel drops it with the process: a killed set-up leaves nothing to clean up.
 */
export async function hostLock(options: {
  file?: string;
  onWait: () => void;
  signal?: AbortSignal | undefined;
}): Promise<Disposable> {
  const { DatabaseSync } = await import('node:sqlite');
  const db = new DatabaseSync(options.file ?? LOCK_FILE);
  const release = { [Symbol.dispose]: () => db.close() };
  try {
    for (let waited = false; !tryLock(db); waited = true) {
      if (!waited) options.onWait();
      await sleep(RETRY_MS, undefined, { signal: options.signal }).catch((error) => {
        throw options.signal?.reason ?? error;
      });
    }
    return release;
  } catch (error) {
    release[Symbol.dispose]();
    throw error;
  }
}

function tryLock(db: { exec(sql: string): void }): boolean {
  try {
    db.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    if (/locked/.test(String(error))) return false;
    throw error;
  }
}
