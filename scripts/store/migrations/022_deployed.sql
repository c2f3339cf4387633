-- Where the service of a run was deployed already, as JSON; null where it was built and started. Such a run is of no
-- history.
ALTER TABLE run ADD COLUMN deployed TEXT;
