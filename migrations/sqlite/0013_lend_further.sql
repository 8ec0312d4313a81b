-- Whether a password is let in beside the key of a reservation. The password itself stands nowhere: it
-- is derived from the reservation's id by a key that signs.
ALTER TABLE reservation ADD COLUMN password BIGINT NOT NULL DEFAULT 0 CHECK (password IN (0, 1));

-- Those that go once they are nobody's are few.
CREATE INDEX machine_leaving ON machine (name) WHERE leaving = 1;

-- How many machines of a pool are somebody's is counted from those that began, and not from all to come.
CREATE INDEX booking_begun ON booking (pool, start_at) WHERE phase <> 'done';
