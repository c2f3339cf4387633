-- Plain SQL that PostgreSQL takes too. Times are ISO 8601 texts in UTC with milliseconds, documents are JSON texts.

CREATE TABLE benchmark (
  name TEXT PRIMARY KEY
);

-- The image of a benchmark at a commit: built once, found again.
CREATE TABLE build (
  benchmark TEXT NOT NULL REFERENCES benchmark (name),
  image TEXT NOT NULL,
  commit_id TEXT NOT NULL,
  recipe_hash TEXT NOT NULL,
  tag TEXT NOT NULL,
  image_id TEXT NOT NULL,
  built_at TEXT NOT NULL,
  PRIMARY KEY (benchmark, image, commit_id, recipe_hash)
);

CREATE TABLE run (
  run_id TEXT PRIMARY KEY,
  benchmark TEXT NOT NULL REFERENCES benchmark (name),
  status TEXT NOT NULL CHECK (status IN ('running', 'complete', 'invalid', 'interrupted', 'failed')),
  status_reason TEXT,
  started_at TEXT NOT NULL,
  finished_at TEXT,
  pairing TEXT NOT NULL CHECK (pairing IN ('solo', 'interleaved')),
  host_id TEXT NOT NULL,
  stack_version TEXT NOT NULL,
  rounds_asked INTEGER NOT NULL,
  host TEXT NOT NULL,
  load TEXT NOT NULL,
  cpusets TEXT NOT NULL,
  metrics TEXT NOT NULL,
  stack_images TEXT NOT NULL,
  compose TEXT NOT NULL,
  archive TEXT,
  archive_pending INTEGER NOT NULL DEFAULT 0 CHECK (archive_pending IN (0, 1))
);
CREATE INDEX run_by_benchmark ON run (benchmark, started_at);

CREATE TABLE run_side (
  run_id TEXT NOT NULL REFERENCES run (run_id),
  side TEXT NOT NULL CHECK (side IN ('candidate', 'baseline')),
  ref TEXT NOT NULL,
  commit_id TEXT NOT NULL,
  subject TEXT,
  images TEXT NOT NULL,
  PRIMARY KEY (run_id, side)
);
CREATE INDEX run_side_by_commit ON run_side (commit_id);

CREATE TABLE run_label (
  run_id TEXT NOT NULL REFERENCES run (run_id),
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (run_id, name)
);

-- One side of one round: one observation. detail: the raw material it was made from.
CREATE TABLE round (
  run_id TEXT NOT NULL REFERENCES run (run_id),
  side TEXT NOT NULL CHECK (side IN ('candidate', 'baseline')),
  round INTEGER NOT NULL,
  valid INTEGER NOT NULL CHECK (valid IN (0, 1)),
  reasons TEXT NOT NULL,
  started_at TEXT NOT NULL,
  window_s DOUBLE PRECISION NOT NULL,
  detail TEXT,
  PRIMARY KEY (run_id, side, round)
);

CREATE TABLE sample (
  run_id TEXT NOT NULL,
  side TEXT NOT NULL,
  round INTEGER NOT NULL,
  name TEXT NOT NULL,
  value DOUBLE PRECISION NOT NULL,
  unit TEXT NOT NULL,
  PRIMARY KEY (run_id, side, round, name),
  FOREIGN KEY (run_id, side, round) REFERENCES round (run_id, side, round)
);

-- What happened and when. A run of another data folder may be named: it is no reference.
CREATE TABLE event (
  event_id TEXT PRIMARY KEY,
  at TEXT NOT NULL,
  kind TEXT NOT NULL,
  run_id TEXT,
  detail TEXT NOT NULL
);
