-- What is to be measured, what GitHub has told, and what it has been told.

-- A job: one commit of one benchmark. States: queued -> leased -> done | failed | cancelled; a lost lease goes back to queued once.
-- lease_id: drawn anew with each lease; only who holds it may end the job, so that a worker that was given up changes nothing.
-- losses: leases that ran out. failures: tries that ended in a fault of the infrastructure.
-- fault: what a job failed by. build: its own commit cannot be built, which its author has to mend; other: what else somebody has to mend.
-- replaced_by: the job of a newer push to its pull request. pinned: somebody has named its commit, so no push replaces it.
-- declined: somebody has cancelled it, so it is queued again only for who asks.
-- job_id: a ULID, greater than all before it whatever the clock says: the order in which jobs are taken.
CREATE TABLE job (
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
  retry_of TEXT REFERENCES job (job_id),
  replaced_by TEXT REFERENCES job (job_id),
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
  fault TEXT CHECK (fault IN ('build', 'deadline', 'lost_worker', 'infrastructure', 'other')),
  run_id TEXT,
  verdict TEXT,
  CHECK ((state = 'leased') = (lease_id IS NOT NULL)),
  CHECK ((state = 'failed') = (fault IS NOT NULL)),
  CHECK ((state IN ('done', 'failed', 'cancelled')) = (ended_ms IS NOT NULL))
);
CREATE INDEX job_waiting ON job (priority DESC, job_id) WHERE state = 'queued';
CREATE INDEX job_leased ON job (lease_until_ms) WHERE state = 'leased';
CREATE INDEX job_of_commit ON job (repository, benchmark, commit_id);
CREATE INDEX job_of_pull_request ON job (repository, pull_request, job_id) WHERE pull_request IS NOT NULL;
CREATE INDEX job_ended ON job (ended_ms, job_id) WHERE ended_ms IS NOT NULL;

-- A delivery of GitHub is taken once.
CREATE TABLE delivery (
  delivery_id TEXT PRIMARY KEY,
  event TEXT NOT NULL,
  received_ms BIGINT NOT NULL
);

-- What is known of a pull request. head_seen_ms: when, by GitHub's clock, it first told of this head; code of a fork runs only for a head that was
-- there when somebody with write access asked.
CREATE TABLE pull_request (
  repository TEXT NOT NULL,
  number INTEGER NOT NULL,
  head TEXT NOT NULL,
  base_ref TEXT NOT NULL,
  from_fork INTEGER NOT NULL CHECK (from_fork IN (0, 1)),
  open INTEGER NOT NULL CHECK (open IN (0, 1)),
  updated_ms BIGINT NOT NULL,
  head_seen_ms BIGINT NOT NULL,
  PRIMARY KEY (repository, number)
);

-- A comment that begins with a command: answered once GitHub has said who may do what.
CREATE TABLE request (
  request_id TEXT PRIMARY KEY,
  repository TEXT NOT NULL,
  pull_request INTEGER NOT NULL,
  comment_id BIGINT NOT NULL,
  author TEXT NOT NULL,
  text TEXT NOT NULL,
  written_ms BIGINT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'answered', 'given up')),
  answer TEXT,
  failures INTEGER NOT NULL DEFAULT 0,
  not_before_ms BIGINT NOT NULL,
  UNIQUE (repository, comment_id)
);

-- What others are told: a check run for each job, a comment for each pull request, alerts. wanted is made anew from the jobs;
-- sent is what the other side has. They differ as long as something waits to be sent.
CREATE TABLE message (
  channel TEXT NOT NULL,
  subject TEXT NOT NULL,
  wanted TEXT NOT NULL,
  sent TEXT,
  remote_id TEXT,
  failures INTEGER NOT NULL DEFAULT 0,
  not_before_ms BIGINT NOT NULL DEFAULT 0,
  error TEXT,
  PRIMARY KEY (channel, subject)
);
CREATE INDEX message_waiting ON message (not_before_ms) WHERE sent IS NULL OR sent <> wanted;

-- Switches that outlive a process: whether the queue is paused.
CREATE TABLE setting (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
);

-- Processes that take jobs, and when each was last heard of.
CREATE TABLE worker (
  host TEXT NOT NULL,
  pid INTEGER NOT NULL,
  pid_start TEXT NOT NULL,
  slots INTEGER NOT NULL,
  started_ms BIGINT NOT NULL,
  seen_ms BIGINT NOT NULL,
  PRIMARY KEY (host, pid, pid_start)
);
