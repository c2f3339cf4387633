-- A failing check that somebody with write access has accepted, for one commit of one benchmark: who and why, and the worst verdict that was
-- accepted. Undone, it stays, with who has undone it.
CREATE TABLE acceptance (
  acceptance_id TEXT PRIMARY KEY,
  repository TEXT NOT NULL,
  benchmark TEXT NOT NULL,
  commit_id TEXT NOT NULL,
  pull_request INTEGER NOT NULL,
  verdict TEXT NOT NULL,
  accepted_by TEXT NOT NULL,
  reason TEXT NOT NULL,
  accepted_ms BIGINT NOT NULL,
  undone_by TEXT,
  undone_ms BIGINT
);
CREATE INDEX acceptance_of_commit ON acceptance (benchmark, commit_id) WHERE undone_ms IS NULL;
CREATE INDEX acceptance_of_pull_request ON acceptance (repository, pull_request) WHERE undone_ms IS NULL;

-- merged_as: the commit of the base branch that a merged pull request has become.
ALTER TABLE pull_request ADD COLUMN merged_as TEXT;

-- commits: those from before_commit_id to commit_id along first parents, the newest first, a JSON list; null: not known.
ALTER TABLE change_point ADD COLUMN commits TEXT;
