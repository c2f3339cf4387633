-- What has to be said of how a run came about, a JSON list of sentences.
ALTER TABLE run ADD COLUMN notes TEXT;
