-- Telling others what happens.

-- Where somebody wants to be told.
CREATE TABLE webhook (
    id            TEXT   NOT NULL PRIMARY KEY,
    tenant        TEXT,                  -- whose events; NULL for those of everybody
    url           TEXT   NOT NULL,
    topics        TEXT   NOT NULL,       -- words: `order.settled`, `money.*`, `*`
    secret        TEXT   NOT NULL,       -- what is signed with: it has to be known to sign
    created_by    TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    failing_since BIGINT,                -- since when nothing came through
    disabled_at   BIGINT,
    disabled_why  TEXT,
    leased_until  BIGINT,                -- until when somebody is at it
    token         BIGINT NOT NULL,       -- grows with each of those
    version       BIGINT NOT NULL
);

CREATE INDEX webhook_by_tenant ON webhook (tenant, id);

-- One event for one of them.
CREATE TABLE webhook_delivery (
    id       TEXT   NOT NULL PRIMARY KEY,
    webhook  TEXT   NOT NULL REFERENCES webhook (id) ON DELETE CASCADE,
    message  TEXT   NOT NULL,            -- what its receiver knows it by, however often it comes
    topic    TEXT   NOT NULL,
    body     TEXT   NOT NULL,            -- JSON, as it is sent
    phase    TEXT   NOT NULL CHECK (phase IN ('waiting', 'delivered', 'failed')),
    tries    BIGINT NOT NULL,
    next_at  BIGINT NOT NULL,
    status   BIGINT,                     -- of the last answer
    why      TEXT,                       -- what went wrong last
    made_at  BIGINT NOT NULL,
    ended_at BIGINT,
    UNIQUE (webhook, message)
);

CREATE INDEX webhook_delivery_due ON webhook_delivery (webhook, next_at, id) WHERE phase = 'waiting';
CREATE INDEX webhook_delivery_by_webhook ON webhook_delivery (webhook, id);
CREATE INDEX webhook_delivery_ended ON webhook_delivery (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX outbox_sent ON outbox (sent_at) WHERE sent_at IS NOT NULL;
