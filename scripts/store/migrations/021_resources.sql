-- What each container used in a round, and how memory grows with the requests of a run, as JSON; null where it is not known.
ALTER TABLE round ADD COLUMN resources TEXT;
ALTER TABLE run ADD COLUMN growth TEXT;
