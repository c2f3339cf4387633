-- What each replica behind a balancer did in a round, as JSON; null where there is no balancer.
ALTER TABLE round ADD COLUMN replicas TEXT;
