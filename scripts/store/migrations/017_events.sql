-- What became of the events of a round, and the CPU time of each service of its side, as JSON; null where there is none.
ALTER TABLE round ADD COLUMN events TEXT;
ALTER TABLE round ADD COLUMN services TEXT;
