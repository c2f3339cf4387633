-- Files of profilers that a run has, and the functions that differ most between its sides: lists, as JSON.
ALTER TABLE run ADD COLUMN profiles TEXT;
ALTER TABLE run ADD COLUMN profile_changes TEXT;

-- The stacks of each side and service, pruned and packed (scripts/telemetry/stacks.ts).
CREATE TABLE profile_tree (
  run_id TEXT NOT NULL REFERENCES run (run_id),
  side TEXT NOT NULL CHECK (side IN ('candidate', 'baseline')),
  service TEXT NOT NULL,
  tree BLOB NOT NULL,
  PRIMARY KEY (run_id, side, service)
) WITHOUT ROWID;
