/** What is known of the benchmarks that runs are kept of, by name. */
import type { KnownBenchmark } from '../documents/benchmark.ts';
import type { Database } from './sqlite.ts';

/** The benchmark of this name; undefined where nothing was ever measured under it. */
export function knownBenchmark(db: Database, name: string): KnownBenchmark | undefined {
  const row = db.get(
    `SELECT repository, path, folder,
       (SELECT commit_id FROM run JOIN run_side side ON side.run_id = run.run_id
        WHERE run.benchmark = benchmark.name AND side.side = 'candidate' AND commit_id NOT LIKE 'worktree-%' AND run.deployed IS NULL
        ORDER BY run.run_id DESC LIMIT 1) AS newest
     FROM benchmark WHERE name = ?`,
    name,
  );
  if (!row) return undefined;
  return {
    repository: row.repository as string | null,
    path: row.path as string | null,
    folder: row.folder as string | null,
    newest: row.newest as string | null,
  };
}

/** Keeps where a benchmark is from; known already, it has moved. */
export function keepBenchmark(
  db: Database,
  name: string,
  { repository, path, folder }: Omit<KnownBenchmark, 'newest'>,
): void {
  db.run(
    `INSERT INTO benchmark (name, repository, path, folder) VALUES (?, ?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET repository = excluded.repository, path = excluded.path, folder = excluded.folder`,
    name,
    repository,
    path,
    folder,
  );
}
