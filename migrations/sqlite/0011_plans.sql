-- Plans that somebody had a server make, and what became of them.

-- A plan, by the digest of its bytes. What was made stays as it is: only what became of it changes.
CREATE TABLE plan (
    id          TEXT   NOT NULL PRIMARY KEY,
    specs       TEXT   NOT NULL REFERENCES tree (digest),
    source      TEXT   NOT NULL CHECK (source IN ('applied', 'directory')),
    bytes       TEXT   NOT NULL,         -- canonical JSON
    phase       TEXT   NOT NULL CHECK (phase IN
                    ('made', 'approved', 'applying', 'applied', 'partial', 'stale', 'failed')),
    valid_until BIGINT,
    made_by     TEXT   NOT NULL,
    made_at     BIGINT NOT NULL UNIQUE,
    approved_by TEXT,
    approved_at BIGINT,
    consent     TEXT,                    -- JSON: what whoever approved it agreed to
    request_key TEXT,                    -- what whoever had it applied called that request
    begun_by    TEXT,
    begun_at    BIGINT,
    ended_at    BIGINT,
    apply       TEXT   REFERENCES apply (id),
    why         TEXT,                    -- what there is to say of its end
    version     BIGINT NOT NULL
);

CREATE INDEX plan_applying ON plan (made_at) WHERE phase = 'applying';

-- What happened to them, for those who follow it.
CREATE TABLE plan_event (
    id     TEXT   NOT NULL PRIMARY KEY,
    plan   TEXT   NOT NULL REFERENCES plan (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,              -- the version that the plan had from then on
    at     BIGINT NOT NULL,
    phase  TEXT   NOT NULL,
    actor  TEXT   NOT NULL,
    why    TEXT,
    UNIQUE (plan, number)
);

CREATE INDEX plan_event_at ON plan_event (at, id);
