-- Where a metric of a benchmark changed for good on a host: commit_id is the first commit after the change, run_id the first
-- run of it, at the start of that run, before_commit_id the last commit before. ratio: after / before. Only ever added to.
CREATE TABLE change_point (
  benchmark TEXT NOT NULL REFERENCES benchmark (name),
  host_id TEXT NOT NULL,
  metric TEXT NOT NULL,
  run_id TEXT NOT NULL REFERENCES run (run_id),
  commit_id TEXT NOT NULL,
  before_commit_id TEXT NOT NULL,
  at TEXT NOT NULL,
  ratio DOUBLE PRECISION NOT NULL CHECK (ratio > 0),
  found_at TEXT NOT NULL,
  PRIMARY KEY (benchmark, host_id, metric, run_id)
);
