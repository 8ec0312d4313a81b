-- Who may do what. Secrets stand here as digests only. Times are microseconds since the epoch.

-- A person.
CREATE TABLE account (
    id            TEXT   NOT NULL PRIMARY KEY,
    email         TEXT   NOT NULL UNIQUE CHECK (email = lower(email)),
    confirmed     BIGINT NOT NULL CHECK (confirmed IN (0, 1)),  -- 1 when a link sent to that address was used
    password_hash TEXT,                                         -- NULL until one is chosen
    status        TEXT   NOT NULL CHECK (status IN ('active', 'suspended', 'banned')),
    platform_role TEXT   CHECK (platform_role IN ('admin', 'billing', 'support', 'auditor')),
    created_at    BIGINT NOT NULL,
    version       BIGINT NOT NULL
);

-- Somebody who rents, declared in files or made over the API: one namespace.
CREATE TABLE tenant (
    id           TEXT   NOT NULL PRIMARY KEY,
    display_name TEXT   NOT NULL,
    quota        TEXT,
    timezone     TEXT   NOT NULL,
    origin       TEXT   NOT NULL CHECK (origin IN ('file', 'api')),
    created_at   BIGINT NOT NULL,
    version      BIGINT NOT NULL
);

CREATE TABLE member (
    tenant     TEXT   NOT NULL REFERENCES tenant (id),
    account    TEXT   NOT NULL REFERENCES account (id),
    role       TEXT   NOT NULL CHECK (role IN ('owner', 'admin', 'operator', 'viewer')),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, account)
);

CREATE INDEX member_by_account ON member (account, tenant);

-- What can be used once: to choose a password, or to join a tenant.
CREATE TABLE one_time_link (
    hash       TEXT   NOT NULL PRIMARY KEY,
    purpose    TEXT   NOT NULL CHECK (purpose IN ('password', 'invitation')),
    account    TEXT   REFERENCES account (id),
    tenant     TEXT   REFERENCES tenant (id),
    role       TEXT   CHECK (role IN ('owner', 'admin', 'operator', 'viewer')),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT,
    CHECK ((purpose = 'password' AND account IS NOT NULL AND tenant IS NULL AND role IS NULL)
        OR (purpose = 'invitation' AND account IS NULL AND tenant IS NOT NULL AND role IS NOT NULL))
);

CREATE INDEX one_time_link_by_account ON one_time_link (account);

-- One login: of a browser, whose cookie is `hash`, or of a program, which has tokens.
CREATE TABLE session (
    id           TEXT   NOT NULL PRIMARY KEY,
    account      TEXT   NOT NULL REFERENCES account (id),
    hash         TEXT   UNIQUE,
    created_at   BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    revoked_at   BIGINT
);

CREATE INDEX session_by_account ON session (account);
CREATE INDEX session_by_expiry ON session (expires_at);

-- The tokens of a session: each refresh token is used once, and gives the next of each sort.
CREATE TABLE token (
    hash       TEXT   NOT NULL PRIMARY KEY,
    session    TEXT   NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    sort       TEXT   NOT NULL CHECK (sort IN ('access', 'refresh')),
    expires_at BIGINT NOT NULL,
    used_at    BIGINT
);

CREATE INDEX token_by_session ON token (session);

-- A key of a program: of a person, of a tenant, or of the platform.
CREATE TABLE api_key (
    id            TEXT   NOT NULL PRIMARY KEY,
    hash          TEXT   NOT NULL UNIQUE,
    prefix        TEXT   NOT NULL,                              -- what may be shown of it
    name          TEXT   NOT NULL,
    account       TEXT   REFERENCES account (id),
    tenant        TEXT   REFERENCES tenant (id),
    platform_role TEXT   CHECK (platform_role IN ('admin', 'billing', 'support', 'auditor')),
    scopes        TEXT   NOT NULL,                              -- words, or `*`
    created_by    TEXT   REFERENCES account (id),
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT,
    revoked_at    BIGINT,
    last_used_at  BIGINT,
    CHECK ((CASE WHEN account IS NULL THEN 0 ELSE 1 END) + (CASE WHEN tenant IS NULL THEN 0 ELSE 1 END)
         + (CASE WHEN platform_role IS NULL THEN 0 ELSE 1 END) = 1)
);

CREATE INDEX api_key_by_account ON api_key (account);
CREATE INDEX api_key_by_tenant ON api_key (tenant);
CREATE INDEX api_key_by_creator ON api_key (created_by);

-- How often somebody tried to log in of late.
CREATE TABLE login_attempt (
    subject  TEXT   NOT NULL PRIMARY KEY,                       -- a digest: no address is kept
    tries    BIGINT NOT NULL,
    since_at BIGINT NOT NULL
);

-- Who did what. Rows are only ever added, and once a row is sealed, not even its seal changes.
CREATE TABLE audit_event (
    seq       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at        BIGINT NOT NULL,
    actor     TEXT   NOT NULL,
    action    TEXT   NOT NULL,
    tenant    TEXT,
    target    TEXT   NOT NULL,
    data      TEXT   NOT NULL,                                  -- JSON
    link      BIGINT UNIQUE,                                    -- its place in the chain
    hash      TEXT,                                             -- over the one before and this row
    sealed_at BIGINT,
    CHECK ((link IS NULL) = (hash IS NULL) AND (hash IS NULL) = (sealed_at IS NULL))
);

CREATE INDEX audit_event_by_tenant ON audit_event (tenant, seq);
CREATE INDEX audit_event_unsealed ON audit_event (seq) WHERE link IS NULL;

CREATE TRIGGER audit_event_is_only_sealed BEFORE UPDATE ON audit_event
WHEN OLD.link IS NOT NULL OR NEW.seq IS NOT OLD.seq OR NEW.at IS NOT OLD.at
    OR NEW.actor IS NOT OLD.actor OR NEW.action IS NOT OLD.action OR NEW.tenant IS NOT OLD.tenant
    OR NEW.target IS NOT OLD.target OR NEW.data IS NOT OLD.data
BEGIN
    SELECT RAISE(ABORT, 'an audit event is never changed');
END;

CREATE TRIGGER audit_event_is_never_removed BEFORE DELETE ON audit_event
BEGIN
    SELECT RAISE(ABORT, 'an audit event is never removed');
END;

-- The end of the chain. Whoever seals changes this row first, so that there is one sealer at a time.
CREATE TABLE audit_head (
    id   BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    link BIGINT NOT NULL,
    hash TEXT   NOT NULL
);

INSERT INTO audit_head (id, link, hash) VALUES (1, 0, '');
