-- The order that a new tenant gets, until it is placed or given up.
CREATE TABLE welcome (
    tenant TEXT   NOT NULL PRIMARY KEY,
    offer  TEXT   NOT NULL,
    actor  TEXT   NOT NULL,              -- who made the tenant
    at     BIGINT NOT NULL
);

-- How low files let a wallet fall. One that lies lower still rises to it as it is paid.
ALTER TABLE wallet ADD COLUMN line BIGINT NOT NULL DEFAULT 0;
