-- Where the time of the requests of a round went, hop by hop, as its traces say, as JSON; null where there are none.
ALTER TABLE round ADD COLUMN traces TEXT;
