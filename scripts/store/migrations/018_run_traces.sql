-- Which share of the requests of a run were to be traced, and how many traces are kept: {sampling, keep}, as JSON.
ALTER TABLE run ADD COLUMN traces TEXT;
