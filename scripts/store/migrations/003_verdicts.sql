-- Verdicts, calibrations, the master set, suspected changes, searches for a culprit.

-- The list of pairings grows: it is checked where a run is written.
ALTER TABLE run ADD COLUMN how_paired TEXT NOT NULL DEFAULT 'solo';
UPDATE run SET how_paired = pairing;
ALTER TABLE run DROP COLUMN pairing;
ALTER TABLE run RENAME COLUMN how_paired TO pairing;

-- comparison: the design that was agreed before the first round. master: the run belongs to the master set. continues: the
-- interrupted run whose rounds it has taken over.
ALTER TABLE run ADD COLUMN comparison TEXT;
ALTER TABLE run ADD COLUMN master INTEGER NOT NULL DEFAULT 0 CHECK (master IN (0, 1));
ALTER TABLE run ADD COLUMN capacity TEXT;
ALTER TABLE run ADD COLUMN continues TEXT;
CREATE INDEX run_of_master ON run (benchmark, host_id, started_at) WHERE master = 1;

-- block: of an alternating round. rate: asked for, where it is not the run's. from_run: the run that measured it, where it was taken over.
ALTER TABLE round ADD COLUMN block INTEGER;
ALTER TABLE round ADD COLUMN rate DOUBLE PRECISION;
ALTER TABLE round ADD COLUMN from_run TEXT;

CREATE TABLE verdict (
  run_id TEXT PRIMARY KEY REFERENCES run (run_id),
  verdict TEXT NOT NULL CHECK (verdict IN ('REGRESSION', 'IMPROVEMENT', 'PASS', 'INCONCLUSIVE', 'INVALID')),
  document TEXT NOT NULL,
  judged_at TEXT NOT NULL
);

-- One build against itself: what the judge does on this host.
CREATE TABLE calibration (
  run_id TEXT PRIMARY KEY REFERENCES run (run_id),
  benchmark TEXT NOT NULL REFERENCES benchmark (name),
  host_id TEXT NOT NULL,
  at TEXT NOT NULL,
  document TEXT NOT NULL
);
CREATE INDEX calibration_newest ON calibration (benchmark, host_id, at);

-- A change point before it is confirmed: only a confirmed one becomes a change_point. checked_by: the run that compared
-- before and after. A row is added once and gets its state once.
CREATE TABLE suspected_change (
  benchmark TEXT NOT NULL REFERENCES benchmark (name),
  host_id TEXT NOT NULL,
  metric TEXT NOT NULL,
  run_id TEXT NOT NULL REFERENCES run (run_id),
  commit_id TEXT NOT NULL,
  before_commit_id TEXT NOT NULL,
  at TEXT NOT NULL,
  ratio DOUBLE PRECISION NOT NULL CHECK (ratio > 0),
  found_at TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'confirmed', 'refuted')),
  checked_by TEXT,
  PRIMARY KEY (benchmark, host_id, metric, run_id)
);

-- A search for the first slow commit, as far as it has come.
CREATE TABLE bisection (
  bisection_id TEXT PRIMARY KEY,
  benchmark TEXT NOT NULL REFERENCES benchmark (name),
  state TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed')),
  document TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
