-- Each deployment of a benchmark has a check of its own, which is accepted by itself. variant: as its check names it; null: the benchmark's own.
ALTER TABLE acceptance ADD COLUMN variant TEXT;
