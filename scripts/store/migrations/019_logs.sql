-- The files of logs that a run has kept, as JSON: their names and bytes.
ALTER TABLE run ADD COLUMN logs TEXT;
