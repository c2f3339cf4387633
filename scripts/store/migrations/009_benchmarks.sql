-- Where a benchmark that lies outside of the checkout is from: two of one name are told apart. NULL: of the checkout, or measured before.
-- repository: which repository it measures. path: of its folder in the repository that it lies in; NULL where the benchmark has a name of
-- its own. folder: where it was measured from last, on this host.
ALTER TABLE benchmark ADD COLUMN repository TEXT;
ALTER TABLE benchmark ADD COLUMN path TEXT;
ALTER TABLE benchmark ADD COLUMN folder TEXT;
