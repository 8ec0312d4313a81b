-- What instances use, and how they are.

-- What the instance of an order used at one moment. Kept for two days.
CREATE TABLE metric_sample (
    order_id     TEXT   NOT NULL REFERENCES orders (id),
    at           BIGINT NOT NULL,
    running      BIGINT NOT NULL CHECK (running IN (0, 1)),
    busy         BIGINT,                 -- nanoseconds of one core since it was started
    cpu          BIGINT,                 -- thousandths of a core, since the sample before
    memory       BIGINT,
    memory_limit BIGINT,
    received     BIGINT,                 -- bytes since it was started, as the three below
    sent         BIGINT,
    read         BIGINT,
    written      BIGINT,
    PRIMARY KEY (order_id, at)
);

CREATE INDEX metric_sample_by_time ON metric_sample (at);

-- How the instance of an order that should run was found to be. One that is well has no row.
CREATE TABLE instance_health (
    order_id    TEXT   NOT NULL PRIMARY KEY REFERENCES orders (id),
    ill_since   BIGINT,                  -- when it was first found so since it was last well
    fails       BIGINT NOT NULL CHECK (fails >= 0),
    why         TEXT,                    -- what was found last
    restarts    BIGINT NOT NULL CHECK (restarts >= 0),
    window_at   BIGINT,                  -- when the first of those restarts was
    held_at     BIGINT                   -- since when nothing is tried any more
);
