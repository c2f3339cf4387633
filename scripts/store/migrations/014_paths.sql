-- Files that matter to a job that nobody has asked for (paths of mayfly.yaml), a JSON list; null: all.
ALTER TABLE job ADD COLUMN paths TEXT;
