-- What failed in a round, by kind: null where nothing did, and in rounds of before it was kept.
ALTER TABLE round ADD COLUMN failures TEXT;
