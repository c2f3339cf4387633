import { join, resolve } from 'node:path';

/** Absolute paths that the commands share. */
export interface Paths {
  /** The checkout. */
  root: string;
  /** All that Mayfly keeps; MAYFLY_DATA or <root>/data. */
  data: string;
  /** The SQLite file of the store. */
  db: string;
  /** The folder bucket, used where no object store is configured. */
  bucket: string;
  /** One folder for each run: what is being measured, and snapshots that wait to be shipped. */
  runs: string;
  /** Logs of runs that no block has taken along, one folder for each run. */
  logs: string;
  /** What can be fetched or built again. */
  cache: string;
}

/** Where things are kept; touches nothing. A relative MAYFLY_DATA counts from the root. */
export function paths(root: string, env: NodeJS.ProcessEnv): Paths {
  const data = env.MAYFLY_DATA ? resolve(root, env.MAYFLY_DATA) : join(root, 'data');
  return {
    root,
    data,
    db: join(data, 'mayfly.db'),
    bucket: join(data, 'bucket'),
    runs: join(data, 'runs'),
    logs: join(data, 'logs'),
    cache: join(data, 'cache'),
  };
}
