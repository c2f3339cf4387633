-- What was done to the services in the window of a round, and what came of it, as JSON; null where nothing was.
ALTER TABLE round ADD COLUMN disturbances TEXT;
