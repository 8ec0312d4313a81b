-- What runs remember. Times are microseconds since the epoch, digests are hexadecimal.

-- The text of a spec directory, once for each content.
CREATE TABLE tree (
    digest TEXT NOT NULL PRIMARY KEY,
    files  TEXT NOT NULL                 -- a JSON object: text by path
);

-- Which specs were applied, one after the other. The number is what two runs race for.
CREATE TABLE revision (
    number     BIGINT NOT NULL PRIMARY KEY,
    digest     TEXT   NOT NULL REFERENCES tree (digest),
    plan       TEXT   NOT NULL,
    entries    BIGINT NOT NULL,
    applied_at BIGINT NOT NULL
);

-- One run of `apply`.
CREATE TABLE apply (
    id         TEXT   NOT NULL PRIMARY KEY,
    plan       TEXT   NOT NULL,
    revision   BIGINT NOT NULL REFERENCES revision (number),
    started_at BIGINT NOT NULL,
    ended_at   BIGINT,
    outcome    TEXT
);

-- What was begun and how it ended. Lines are only ever added.
CREATE TABLE entry (
    number  INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    apply   TEXT   NOT NULL REFERENCES apply (id),
    step    BIGINT NOT NULL,
    address TEXT   NOT NULL,
    place   TEXT   NOT NULL,
    act     TEXT   NOT NULL CHECK (act IN ('create', 'update', 'delete')),
    phase   TEXT   NOT NULL CHECK (phase IN ('started', 'finished', 'failed')),
    why     TEXT,
    body    TEXT,
    at      BIGINT NOT NULL
);

CREATE INDEX entry_by_apply ON entry (apply, number);
CREATE INDEX entry_by_address ON entry (address, number);

CREATE TRIGGER entry_is_never_changed BEFORE UPDATE ON entry
BEGIN
    SELECT RAISE(ABORT, 'the journal is never changed');
END;

CREATE TRIGGER entry_is_never_removed BEFORE DELETE ON entry
BEGIN
    SELECT RAISE(ABORT, 'the journal is never shortened');
END;

-- The body each thing had when a run last finished with it: the journal, summed up.
CREATE TABLE applied (
    address TEXT   NOT NULL PRIMARY KEY,
    body    TEXT   NOT NULL,
    apply   TEXT   NOT NULL REFERENCES apply (id),
    at      BIGINT NOT NULL
);

-- What was given out of a pool. `sole` repeats the value where a pool gives each value once, and
-- is NULL where many may share it: NULLs never collide.
CREATE TABLE claim (
    pool   TEXT   NOT NULL,
    holder TEXT   NOT NULL,
    value  TEXT   NOT NULL,
    sole   TEXT,
    at     BIGINT NOT NULL,
    PRIMARY KEY (pool, holder),
    UNIQUE (pool, sole)
);

-- Data that is kept although nobody asks for it, and until when.
CREATE TABLE keep (
    address TEXT   NOT NULL PRIMARY KEY,
    place   TEXT   NOT NULL,
    due_at  BIGINT NOT NULL
);

-- Who may act on a connection. A row outlives its holder, so that its token only ever grows.
CREATE TABLE lease (
    place      TEXT   NOT NULL PRIMARY KEY,
    host       TEXT   NOT NULL,
    machine    TEXT   NOT NULL,
    pid        BIGINT NOT NULL,
    what       TEXT   NOT NULL,
    locked     BIGINT NOT NULL,          -- 1 when the holder has the lock file too
    token      BIGINT NOT NULL,
    expires_at BIGINT NOT NULL           -- 0 when it was given back
);
