/** Profiles of a run. SQL only; db.ts hands it the database. */
import type { RunDocument, SideName } from '../documents/run.ts';
import type { Database } from './sqlite.ts';

/** Stacks of one side of one service, as scripts/telemetry/stacks.ts packs them. */
export interface StoredTree {
  side: SideName;
  service: string;
  tree: Uint8Array;
}

/** What the profile round of a run has left. */
export type Profiles = Pick<RunDocument, 'profiles' | 'profile_changes'> & { trees: readonly StoredTree[] };

export function saveProfiles(db: Database, runId: string, { profiles, profile_changes, trees }: Profiles): void {
  const json = (value: unknown) => (value === undefined ? null : JSON.stringify(value));
  const rows = db.run(
    'UPDATE run SET profiles = ?, profile_changes = ? WHERE run_id = ?',
    json(profiles),
    json(profile_changes),
    runId,
  );
  if (rows === 0) throw new Error(`there is no run ${runId} in the store`);
  db.run('DELETE FROM profile_tree WHERE run_id = ?', runId);
  for (const { side, service, tree } of trees)
    db.run('INSERT INTO profile_tree (run_id, side, service, tree) VALUES (?, ?, ?, ?)', runId, side, service, tree);
}

/** By service, the candidate first. */
export const profileTrees = (db: Database, runId: string): StoredTree[] =>
  db
    .all('SELECT side, service, tree FROM profile_tree WHERE run_id = ? ORDER BY service, side DESC', runId)
    .map(({ side, service, tree }) => ({
      side: side as SideName,
      service: service as string,
      tree: tree as Uint8Array,
    }));
