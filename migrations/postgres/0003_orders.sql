-- What customers ordered, and the money. Times are microseconds since the epoch, amounts are
-- millionths of the currency unit. Tenants of spec files have no row, so no tenant is a reference.

-- Counts what changes what is given out. Whoever changes that moves it on first, so that there is
-- one at a time, and who knows the number knows whether what it read still holds.
CREATE TABLE placement (
    id     BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    number BIGINT NOT NULL
);

INSERT INTO placement (id, number) VALUES (1, 0);

-- An offer as it was bought, with its images. The name says what it says: `survival-2g@3f2a91c07b55`.
CREATE TABLE offer_version (
    name TEXT   NOT NULL PRIMARY KEY,
    body TEXT   NOT NULL,                -- JSON
    at   BIGINT NOT NULL
);

CREATE TABLE orders (
    id           TEXT   NOT NULL PRIMARY KEY,
    tenant       TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    client_ref   TEXT,
    offer        TEXT   NOT NULL REFERENCES offer_version (name),
    instance     TEXT   NOT NULL,        -- the entry it stands for, as JSON
    need         TEXT   NOT NULL,        -- what it counts in the quota, as JSON
    discount     TEXT,                   -- what a code takes off, as JSON
    zone         TEXT   NOT NULL,        -- where its months are those of
    currency     TEXT,
    running      BIGINT NOT NULL CHECK (running IN (0, 1)),
    phase        TEXT   NOT NULL,
    reasons      TEXT   NOT NULL,        -- why it is suspended: words, in order
    why          TEXT,                   -- what went wrong last
    host         TEXT,                   -- where it lives: `docker.par1`, `proxmox.ams/n1`
    promised     TEXT   NOT NULL,        -- what it is promised there, as JSON
    placed_by    TEXT   NOT NULL,
    placed_at    BIGINT NOT NULL,
    anchored_at  BIGINT,                 -- when it was first there: its periods begin here
    turns        TEXT   NOT NULL,        -- what was billed from when on, as JSON
    progress     TEXT   NOT NULL,        -- how far lines were made, as JSON
    meter_at     BIGINT,                 -- when the next line falls due
    owes         BIGINT NOT NULL CHECK (owes IN (0, 1)),
    dunning      TEXT,                   -- the dates of one that owes, as JSON
    dunning_at   BIGINT,                 -- the next of them
    ended_by     TEXT,                   -- the event that ended it
    retain_until BIGINT,                 -- when its data goes
    ended_at     BIGINT,
    cleared_at   BIGINT,                 -- since when nothing of it is left
    version      BIGINT NOT NULL,        -- grows with what its customer can see
    touched      BIGINT NOT NULL,        -- grows with every change
    UNIQUE (tenant, client_ref)
);

-- A name is free again once what had it is gone.
CREATE UNIQUE INDEX order_by_name ON orders (tenant, name)
    WHERE phase NOT IN ('terminated', 'canceled', 'failed');
CREATE INDEX order_by_tenant ON orders (tenant, id);
CREATE INDEX order_by_phase ON orders (phase, id);
CREATE INDEX order_uncleared ON orders (id) WHERE cleared_at IS NULL;
CREATE INDEX order_by_meter ON orders (meter_at, id) WHERE meter_at IS NOT NULL;
CREATE INDEX order_by_dunning ON orders (dunning_at, id) WHERE dunning_at IS NOT NULL;
CREATE INDEX order_by_debt ON orders (tenant, id) WHERE owes = 1;

-- What happened to an order. Lines are only ever added.
CREATE TABLE order_event (
    order_id TEXT   NOT NULL REFERENCES orders (id),
    number   BIGINT NOT NULL,
    id       TEXT   NOT NULL UNIQUE,
    at       BIGINT NOT NULL,
    kind     TEXT   NOT NULL,
    phase    TEXT   NOT NULL,
    data     TEXT   NOT NULL,            -- JSON
    PRIMARY KEY (order_id, number)
);

-- What was answered to a request, so that the same request gets the same answer.
CREATE TABLE idempotency (
    scope  TEXT   NOT NULL,
    key    TEXT   NOT NULL,
    digest TEXT   NOT NULL,              -- of the request
    answer TEXT,                         -- JSON
    at     BIGINT NOT NULL,
    PRIMARY KEY (scope, key)
);

CREATE INDEX idempotency_by_time ON idempotency (at);

-- Who has how much. `posted` sums up the postings, `held` the holds.
CREATE TABLE wallet (
    tenant   TEXT   NOT NULL,
    currency TEXT   NOT NULL,
    posted   BIGINT NOT NULL,
    held     BIGINT NOT NULL CHECK (held >= 0),
    floor    BIGINT NOT NULL,
    PRIMARY KEY (tenant, currency),
    CHECK (posted - held >= floor)
);

-- A movement of money, whose postings sum up to zero. It is written after its postings, which
-- closes it.
CREATE TABLE ledger_transaction (
    id        TEXT   NOT NULL PRIMARY KEY,
    kind      TEXT   NOT NULL CHECK (kind IN ('credit', 'charge', 'refund', 'gift', 'reversal')),
    tenant    TEXT   NOT NULL,
    reference TEXT,                      -- what it is for: an order, or the transaction it refunds
    reverses  TEXT   UNIQUE REFERENCES ledger_transaction (id),
    once      TEXT   UNIQUE,             -- what it is known by, where it must not happen twice
    memo      TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    digest    TEXT   NOT NULL            -- of all of it, postings too
);

CREATE INDEX ledger_by_tenant ON ledger_transaction (tenant, id);
CREATE INDEX ledger_by_reference ON ledger_transaction (reference);

CREATE TABLE posting (
    txn      TEXT   NOT NULL REFERENCES ledger_transaction (id) DEFERRABLE INITIALLY DEFERRED,
    number   BIGINT NOT NULL,
    account  TEXT   NOT NULL,            -- `wallet/acme`, `income`, `payments`, `gifts`
    currency TEXT   NOT NULL,
    amount   BIGINT NOT NULL CHECK (amount <> 0),
    PRIMARY KEY (txn, number)
);

CREATE INDEX posting_by_account ON posting (account, currency);

CREATE FUNCTION ledger_close() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM posting WHERE txn = NEW.id)
        OR EXISTS (
            SELECT 1 FROM posting WHERE txn = NEW.id GROUP BY currency HAVING sum(amount) <> 0
        )
    THEN
        RAISE EXCEPTION 'the postings of a transaction sum up to zero';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER ledger_is_balanced BEFORE INSERT ON ledger_transaction
    FOR EACH ROW EXECUTE FUNCTION ledger_close();

CREATE FUNCTION posting_open() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM ledger_transaction WHERE id = NEW.txn) THEN
        RAISE EXCEPTION 'a transaction that is closed takes no posting';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER posting_comes_before BEFORE INSERT ON posting
    FOR EACH ROW EXECUTE FUNCTION posting_open();

CREATE FUNCTION ledger_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'the ledger is never changed';
    END IF;
    RAISE EXCEPTION 'the ledger is never shortened';
END
$$;

CREATE TRIGGER ledger_is_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transaction
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_stays();
CREATE TRIGGER posting_is_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON posting
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_stays();

-- Money that is promised and not moved yet.
CREATE TABLE hold (
    id        TEXT   NOT NULL PRIMARY KEY,
    tenant    TEXT   NOT NULL,
    currency  TEXT   NOT NULL,
    amount    BIGINT NOT NULL CHECK (amount > 0),
    order_id  TEXT,
    phase     TEXT   NOT NULL CHECK (phase IN ('placed', 'captured', 'released')),
    placed_at BIGINT NOT NULL,
    ended_at  BIGINT
);

CREATE INDEX hold_by_order ON hold (order_id);
CREATE INDEX hold_by_wallet ON hold (tenant, currency) WHERE phase = 'placed';

-- What a part of an order costs from a moment to the end of its period; below zero, what it gives
-- back. A line is written once, and paid for when there is money.
CREATE TABLE usage_line (
    order_id     TEXT   NOT NULL REFERENCES orders (id),
    component    TEXT   NOT NULL,
    period_start BIGINT NOT NULL,
    period_end   BIGINT NOT NULL,
    tenant       TEXT   NOT NULL,
    currency     TEXT   NOT NULL,
    correction   BIGINT NOT NULL CHECK (correction IN (0, 1)),
    quantity     BIGINT NOT NULL,
    hourly       BIGINT NOT NULL,
    list         BIGINT NOT NULL,        -- without cap and code
    amount       BIGINT NOT NULL,
    txn          TEXT   REFERENCES ledger_transaction (id),
    paid_at      BIGINT,
    PRIMARY KEY (order_id, component, period_start)
);

CREATE INDEX usage_by_tenant ON usage_line (tenant, period_start);
CREATE INDEX usage_by_txn ON usage_line (txn) WHERE txn IS NOT NULL;
CREATE INDEX usage_unpaid ON usage_line (order_id, period_start) WHERE paid_at IS NULL;

-- Which order used which code.
CREATE TABLE promo_redemption (
    order_id TEXT   NOT NULL PRIMARY KEY REFERENCES orders (id),
    code     TEXT   NOT NULL,
    tenant   TEXT   NOT NULL,
    at       BIGINT NOT NULL
);

CREATE INDEX promo_by_code ON promo_redemption (code, tenant);

-- How often a code was used, by all and, under its name, by each tenant.
CREATE TABLE promo_use (
    code   TEXT   NOT NULL,
    tenant TEXT   NOT NULL,              -- empty: by all
    uses   BIGINT NOT NULL CHECK (uses >= 0),
    PRIMARY KEY (code, tenant)
);

-- What the orders of a tenant take of its quota.
CREATE TABLE quota_use (
    tenant    TEXT   NOT NULL PRIMARY KEY,
    instances BIGINT NOT NULL CHECK (instances >= 0),
    cpu       BIGINT NOT NULL CHECK (cpu >= 0),      -- thousandths of a core
    memory    BIGINT NOT NULL CHECK (memory >= 0),
    disk      BIGINT NOT NULL CHECK (disk >= 0)
);

-- What others are to be told, in the order it happened.
CREATE TABLE outbox (
    number  BIGINT  GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    at      BIGINT  NOT NULL,
    topic   TEXT    NOT NULL,
    tenant  TEXT,
    data    TEXT    NOT NULL,            -- JSON
    sent_at BIGINT
);

CREATE INDEX outbox_unsent ON outbox (number) WHERE sent_at IS NULL;

-- What was promised to orders on each host.
CREATE TABLE promise (
    host   TEXT   NOT NULL PRIMARY KEY,
    cpu    BIGINT NOT NULL CHECK (cpu >= 0),         -- thousandths of a core
    memory BIGINT NOT NULL CHECK (memory >= 0),
    disk   BIGINT NOT NULL CHECK (disk >= 0)
);

-- What a connection held that is not ours, as it was last seen.
CREATE TABLE taken (
    place   TEXT   NOT NULL PRIMARY KEY,
    holds   TEXT   NOT NULL,             -- JSON
    seen_at BIGINT NOT NULL
);
