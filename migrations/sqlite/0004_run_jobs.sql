-- Work that falls due by the clock. Times are microseconds since the epoch.

-- A job that was ever claimed. The token grows with each claim, so that every holder has its own.
CREATE TABLE job (
    name     TEXT   NOT NULL PRIMARY KEY,
    since_at BIGINT NOT NULL,            -- what fell due before was never to be run
    token    BIGINT NOT NULL
);

-- One run of a job, for one time at which it was due.
CREATE TABLE job_run (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    job        TEXT   NOT NULL REFERENCES job (name),
    due_at     BIGINT NOT NULL,
    skipped    BIGINT NOT NULL,          -- how many times before it were missed and are not made up
    holder     TEXT   NOT NULL,
    token      BIGINT NOT NULL,
    tries      BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,          -- from then on, others may take it over
    ended_at   BIGINT,
    outcome    TEXT   CHECK (outcome IN ('done', 'failed')),
    said       TEXT,
    UNIQUE (job, due_at),
    CHECK ((ended_at IS NULL) = (outcome IS NULL))
);

-- One run of a job at a time.
CREATE UNIQUE INDEX job_run_open ON job_run (job) WHERE ended_at IS NULL;
