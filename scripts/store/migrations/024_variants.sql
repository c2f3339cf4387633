-- Variants of a benchmark's deployment. variant: of a run that of its candidate, whose line it is on; null: none was named, as for all that was
-- stored before. deployment: how the services of a side were started, as JSON. autoscale: what the autoscaler decided in a round, as JSON.
ALTER TABLE run ADD COLUMN variant TEXT;
ALTER TABLE run_side ADD COLUMN variant TEXT;
ALTER TABLE run_side ADD COLUMN deployment TEXT;
ALTER TABLE round ADD COLUMN autoscale TEXT;

-- Each variant has a master set of its own.
DROP INDEX run_of_master_newest;
CREATE INDEX run_of_master_newest ON run (benchmark, branch, variant, started_at, run_id) WHERE master = 1;
DROP INDEX run_of_master_complete;
CREATE INDEX run_of_master_complete ON run (benchmark, branch, variant, host_id, run_id) WHERE master = 1 AND status = 'complete';
