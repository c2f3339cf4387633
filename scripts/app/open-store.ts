/** The store for commands that only read: no engine, no set-up. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ConfigEnv } from '../config/config.ts';
import { paths } from '../core/paths.ts';
import { openStore, type Store } from '../store/db.ts';

const file = (): string => paths(join(import.meta.dirname, '../..'), process.env).db;

/** Opens the store of this checkout (or of MAYFLY_DATA), and closes it whatever happens. */
export function withStore<T>(work: (store: Store) => T): T {
  const store = openStore(file());
  try {
    return work(store);
  } finally {
    store.close();
  }
}

/** Where a command is called, for what reads benchmarks: names of benchmarks that were measured are known to it. */
export const configEnv = (): ConfigEnv => ({
  root: join(import.meta.dirname, '../..'),
  cwd: process.cwd(),
  // Where there is no store yet, none is made: a wrong flag must leave nothing.
  known: (name) => (existsSync(file()) ? withStore((store) => store.benchmark(name)) : undefined),
});
