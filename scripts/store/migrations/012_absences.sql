-- How often a job's commit was looked for and no remote had it yet.
ALTER TABLE job ADD COLUMN absences INTEGER NOT NULL DEFAULT 0;
