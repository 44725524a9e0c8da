-- API keys, what is counted for their limits, and the audit log. Times are UTC text of one length.

CREATE TABLE api_keys (
    key_id     TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    digest     TEXT NOT NULL,  -- SHA-256 of the token; the token is kept nowhere
    old_digest TEXT,           -- of the one before the latest rotation, valid until old_until
    old_until  TEXT,
    scopes     TEXT NOT NULL,  -- words with spaces between
    project    TEXT NOT NULL,
    user_name  TEXT NOT NULL,
    limits     TEXT NOT NULL,  -- JSON
    created_at TEXT NOT NULL,
    expires_at TEXT,
    revoked_at TEXT,           -- a key is never deleted: its id stands in jobs and bookings
    held_at    TEXT,
    used_at    TEXT            -- of a minute or so: it is not written with every request
) {table};

-- One row for each job of a key that is not over: how many a key, or an end user of it, has at once.
CREATE TABLE key_jobs (
    job_id   TEXT PRIMARY KEY,
    key_id   TEXT NOT NULL,
    end_user TEXT NOT NULL,    -- digest of the name (velocity.py); '' where the caller named none
    day      TEXT NOT NULL,    -- in which it was accepted; its spend counts there
    microusd BIGINT NOT NULL   -- set aside for it
) {table};
CREATE INDEX key_jobs_of ON key_jobs (key_id, end_user);

-- What an end user of a key took on a day: spent, and set aside for jobs that are not over.
CREATE TABLE end_user_spend (
    key_id   TEXT NOT NULL,
    end_user TEXT NOT NULL,    -- digest of the name
    day      TEXT NOT NULL,
    microusd BIGINT NOT NULL,
    PRIMARY KEY (key_id, end_user, day)
) {table};

-- How many jobs a key, or an end user of it (key/digest), ordered in an hour ('2026-11-21T12'): what "far more than usual"
-- is measured by.
CREATE TABLE key_orders (
    key_id TEXT NOT NULL,
    hour   TEXT NOT NULL,
    jobs   BIGINT NOT NULL,
    PRIMARY KEY (key_id, hour)
) {table};

-- The audit log. Each row's hash covers all of it and the hash before: see audit.py.
CREATE TABLE audit (
    seq    BIGINT PRIMARY KEY,
    at     TEXT NOT NULL,
    actor  TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    data   TEXT NOT NULL,      -- canonical JSON
    prev   TEXT NOT NULL,
    hash   TEXT NOT NULL
) {table};

-- Facts that are to be chained: written with what they tell of, in its transaction, and moved from here in batches.
CREATE TABLE audit_waiting (
    id     {serial},
    at     TEXT NOT NULL,
    actor  TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    data   TEXT NOT NULL
);
