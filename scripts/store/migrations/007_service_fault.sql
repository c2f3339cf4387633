-- One more way for a job to fail. service: the service of its own commit does not start, dies or answers nothing but errors, while that of the
-- baseline does well. SQLite cannot change a CHECK: the table is made anew, with what it holds.
CREATE TABLE job_with_service (
  job_id TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('new-test', 'new-master')),
  state TEXT NOT NULL CHECK (state IN ('queued', 'leased', 'done', 'failed', 'cancelled')),
  priority INTEGER NOT NULL,
  repository TEXT,
  benchmark TEXT NOT NULL,
  commit_id TEXT NOT NULL,
  ref TEXT,
  against TEXT,
  pull_request INTEGER,
  overrides TEXT NOT NULL,
  requested_by TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  not_before_ms BIGINT NOT NULL,
  deadline_s INTEGER NOT NULL,
  retry_of TEXT REFERENCES job_with_service (job_id),
  replaced_by TEXT REFERENCES job_with_service (job_id),
  pinned INTEGER NOT NULL DEFAULT 0 CHECK (pinned IN (0, 1)),
  declined INTEGER NOT NULL DEFAULT 0 CHECK (declined IN (0, 1)),
  lease_id TEXT,
  worker TEXT,
  lease_until_ms BIGINT,
  started_ms BIGINT,
  ended_ms BIGINT,
  losses INTEGER NOT NULL DEFAULT 0,
  failures INTEGER NOT NULL DEFAULT 0,
  cancel_reason TEXT,
  progress TEXT,
  reason TEXT,
  fault TEXT CHECK (fault IN ('build', 'service', 'deadline', 'lost_worker', 'infrastructure', 'other')),
  run_id TEXT,
  verdict TEXT,
  CHECK ((state = 'leased') = (lease_id IS NOT NULL)),
  CHECK ((state = 'failed') = (fault IS NOT NULL)),
  CHECK ((state IN ('done', 'failed', 'cancelled')) = (ended_ms IS NOT NULL))
);
-- A job may name one that comes after it: checked when all are there.
PRAGMA defer_foreign_keys = ON;
INSERT INTO job_with_service SELECT * FROM job;
DROP TABLE job;
ALTER TABLE job_with_service RENAME TO job;
CREATE INDEX job_waiting ON job (priority DESC, job_id) WHERE state = 'queued';
CREATE INDEX job_leased ON job (lease_until_ms) WHERE state = 'leased';
CREATE INDEX job_of_commit ON job (repository, benchmark, commit_id);
CREATE INDEX job_of_pull_request ON job (repository, pull_request, job_id) WHERE pull_request IS NOT NULL;
CREATE INDEX job_ended ON job (ended_ms, job_id) WHERE ended_ms IS NOT NULL;
CREATE INDEX job_of_run ON job (run_id) WHERE run_id IS NOT NULL;
