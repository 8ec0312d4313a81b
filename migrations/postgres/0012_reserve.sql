-- Machines that are reserved for a while. Times are microseconds since the epoch.

-- A machine of a pool, and how it is.
CREATE TABLE machine (
    name         TEXT   NOT NULL PRIMARY KEY,
    pool         TEXT   NOT NULL,
    labels       TEXT   NOT NULL,        -- JSON
    origin       TEXT   NOT NULL CHECK (origin IN ('file', 'call')),
    phase        TEXT   NOT NULL CHECK (phase IN ('ready', 'cleaning', 'quarantined')),
    cordoned     BIGINT NOT NULL CHECK (cordoned IN (0, 1)),  -- kept back by a call
    withheld     BIGINT NOT NULL CHECK (withheld IN (0, 1)),  -- kept back by whoever declares it
    leaving      BIGINT NOT NULL CHECK (leaving IN (0, 1)),  -- nobody declares it any more
    why          TEXT,                   -- what went wrong last
    tries        BIGINT NOT NULL,        -- how often in a row
    next_at      BIGINT NOT NULL,        -- when it is looked at next
    probed_at    BIGINT,                 -- when it was last found well
    turn         BIGINT NOT NULL,        -- grows with each booking: who rested longest is next
    leased_until BIGINT,                 -- until when somebody looks at it
    token        BIGINT NOT NULL         -- grows with each of those
);

CREATE INDEX machine_by_pool ON machine (pool, turn, name);
CREATE INDEX machine_due ON machine (next_at, name);

-- How a machine that was registered by a call is reached. What lets one in is never shown.
CREATE TABLE registered_machine (
    name       TEXT   NOT NULL PRIMARY KEY REFERENCES machine (name) ON DELETE CASCADE,
    host       TEXT   NOT NULL,
    port       BIGINT NOT NULL,
    login      TEXT   NOT NULL,
    host_key   TEXT,
    credential TEXT   NOT NULL,
    created_by TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);

-- What counts reservations, so that who asked first is served first; and machines, so that who
-- rested longest is next.
CREATE TABLE reservation_count (
    id     BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    number BIGINT NOT NULL
);

INSERT INTO reservation_count (id, number) VALUES (1, 0);

CREATE TABLE reservation (
    id        TEXT   NOT NULL PRIMARY KEY,
    number    BIGINT NOT NULL UNIQUE,    -- the order in which they were asked for
    tenant    TEXT   NOT NULL,
    offer     TEXT   NOT NULL,           -- in the version it was bought in
    pools     TEXT   NOT NULL,           -- JSON
    labels    TEXT   NOT NULL,           -- what its machines have to have, as JSON
    terms     TEXT   NOT NULL,           -- what it was bought on, as JSON
    ssh_key   TEXT,                      -- whose key is let in
    count     BIGINT NOT NULL CHECK (count > 0),     -- wanted; once it is booked, had
    min_count BIGINT NOT NULL CHECK (min_count > 0),
    seconds   BIGINT NOT NULL CHECK (seconds > 0),   -- how long it is
    start_at  BIGINT,                    -- unknown while it waits
    end_at    BIGINT,
    wait_until BIGINT,                   -- how long it waits for machines
    phase     TEXT   NOT NULL CHECK (phase IN
                  ('queued', 'booked', 'active', 'ended', 'released', 'canceled', 'expired')),
    why       TEXT,                      -- why it is over, when nobody wished so
    hold      TEXT,                      -- the money that is promised for it
    placed_by TEXT   NOT NULL,
    placed_at BIGINT NOT NULL,
    ended_at  BIGINT,
    warned_at BIGINT,                    -- when it was said that it is over soon
    version   BIGINT NOT NULL
);

CREATE INDEX reservation_by_tenant ON reservation (tenant, id);
CREATE INDEX reservation_queued ON reservation (number) WHERE phase = 'queued';
CREATE INDEX reservation_open ON reservation (start_at) WHERE phase IN ('booked', 'active');

-- One machine within a reservation. It is kept free for cleaning until `free_at`.
CREATE TABLE booking (
    id           TEXT   NOT NULL PRIMARY KEY,
    reservation  TEXT   NOT NULL REFERENCES reservation (id),
    machine      TEXT   NOT NULL,
    pool         TEXT   NOT NULL,
    start_at     BIGINT NOT NULL,
    end_at       BIGINT NOT NULL,
    free_at      BIGINT NOT NULL,
    phase        TEXT   NOT NULL CHECK (phase IN
                     ('booked', 'granting', 'granted', 'revoking', 'cleaning', 'quarantined', 'done')),
    tries        BIGINT NOT NULL,
    next_at      BIGINT NOT NULL,        -- when something is to be done with it
    why          TEXT,                   -- what went wrong last
    granted_at   BIGINT,
    revoked_at   BIGINT,
    leased_until BIGINT,                 -- until when somebody is at it
    token        BIGINT NOT NULL,        -- grows with each of those
    CHECK (start_at < end_at AND end_at <= free_at)
);

CREATE INDEX booking_by_reservation ON booking (reservation, machine);
CREATE INDEX booking_open ON booking (machine, start_at) WHERE phase <> 'done';
CREATE INDEX booking_due ON booking (next_at, id)
    WHERE phase IN ('granting', 'revoking', 'cleaning', 'quarantined');
CREATE INDEX booking_free ON booking (pool, free_at) WHERE phase <> 'done';

-- No machine is anybody's twice, and none while it may still be cleaned.
CREATE EXTENSION IF NOT EXISTS btree_gist;

ALTER TABLE booking ADD CONSTRAINT booking_alone
    EXCLUDE USING gist (machine WITH =, int8range(start_at, free_at) WITH &&)
    WHERE (phase <> 'done');

-- What happened to a reservation. Lines are only ever added.
CREATE TABLE reservation_event (
    reservation TEXT   NOT NULL REFERENCES reservation (id),
    number      BIGINT NOT NULL,
    id          TEXT   NOT NULL UNIQUE,
    at          BIGINT NOT NULL,
    kind        TEXT   NOT NULL,
    phase       TEXT   NOT NULL,
    data        TEXT   NOT NULL,         -- JSON
    PRIMARY KEY (reservation, number)
);

-- What was charged for a reservation, and what of it was given back.
CREATE TABLE reservation_charge (
    txn         TEXT   NOT NULL PRIMARY KEY REFERENCES ledger_transaction (id),
    reservation TEXT   NOT NULL REFERENCES reservation (id),
    amount      BIGINT NOT NULL CHECK (amount > 0),
    given_back  BIGINT NOT NULL,
    CHECK (given_back >= 0 AND given_back <= amount)
);

CREATE INDEX reservation_charge_by_reservation ON reservation_charge (reservation, txn);

-- What the reservations of a tenant that are not over take of its quota.
CREATE TABLE reservation_use (
    tenant       TEXT   NOT NULL PRIMARY KEY,
    reservations BIGINT NOT NULL CHECK (reservations >= 0),
    machines     BIGINT NOT NULL CHECK (machines >= 0)
);

-- How long a tenant has machines in a week, which begins on Monday, UTC: weeks since the epoch.
CREATE TABLE reservation_week (
    tenant  TEXT   NOT NULL,
    week    BIGINT NOT NULL,
    seconds BIGINT NOT NULL CHECK (seconds >= 0),    -- of all machines together
    PRIMARY KEY (tenant, week)
);
