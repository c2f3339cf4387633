-- What came back in a round, by name and status, and scrapes that its window lacks: null in rounds of before it was kept.
ALTER TABLE round ADD COLUMN answers TEXT;
ALTER TABLE round ADD COLUMN holes TEXT;
-- Names of requests whose answers may differ between the sides, as the benchmark declares it.
ALTER TABLE run ADD COLUMN answers_differ TEXT;
