-- What the pages of the web site look up, without reading the long rows of runs, rounds and verdicts.

CREATE INDEX run_newest ON run (started_at, run_id);
CREATE INDEX run_running ON run (run_id) WHERE status = 'running';
CREATE INDEX run_of_master_newest ON run (benchmark, started_at, run_id) WHERE master = 1;
-- Whether the master set of a benchmark on a host has changed is told by its number and its newest run.
CREATE INDEX run_of_master_complete ON run (benchmark, host_id, run_id) WHERE master = 1 AND status = 'complete';
CREATE INDEX run_side_by_ref ON run_side (ref);
-- What lists and levels need of a round stands behind its long raw material in the row, and whole in here.
CREATE INDEX round_line ON round (run_id, round, side, valid, started_at, window_s, block);
CREATE INDEX job_of_run ON job (run_id) WHERE run_id IS NOT NULL;
