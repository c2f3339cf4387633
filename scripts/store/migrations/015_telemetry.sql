-- What services wrote into their telemetry folders in a round: its labels and notes, as JSON; null where there is none.
ALTER TABLE round ADD COLUMN telemetry TEXT;
