-- Other branches than the default one. branch: of a proposal the branch that it goes into, of a commit of a branch the branch whose master set it
-- joins; null: the default branch, as for all that was stored before.
ALTER TABLE job ADD COLUMN branch TEXT;
ALTER TABLE run ADD COLUMN branch TEXT;

-- onto_default: it goes into the default branch. labels: their names, a JSON list. tied: GitHub has told two things of it for one second, and is
-- to be asked which is so.
ALTER TABLE pull_request ADD COLUMN onto_default INTEGER NOT NULL DEFAULT 1 CHECK (onto_default IN (0, 1));
ALTER TABLE pull_request ADD COLUMN labels TEXT NOT NULL DEFAULT '[]';
ALTER TABLE pull_request ADD COLUMN tied INTEGER NOT NULL DEFAULT 0 CHECK (tied IN (0, 1));

-- Each branch has a master set of its own.
DROP INDEX run_of_master_newest;
CREATE INDEX run_of_master_newest ON run (benchmark, branch, started_at, run_id) WHERE master = 1;
DROP INDEX run_of_master_complete;
CREATE INDEX run_of_master_complete ON run (benchmark, branch, host_id, run_id) WHERE master = 1 AND status = 'complete';
