-- Webhooks: what is to be delivered, each try of it, and what it is signed with. Times are UTC text of one length.

CREATE TABLE webhook_deliveries (
    seq         {serial},
    delivery_id TEXT NOT NULL UNIQUE,  -- the webhook-id: the same in every try, so that a receiver can tell repeats
    job_id      TEXT,
    type        TEXT NOT NULL,         -- job.succeeded, …
    at          TEXT NOT NULL,         -- when it happened
    data        TEXT,                  -- JSON, of what is no job; a job is told of as it is when it is told
    project     TEXT NOT NULL,
    url         TEXT NOT NULL,         -- never logged or shown: its query may be a secret; '' where it was forgotten
    target      TEXT NOT NULL,         -- host and port of it
    state       TEXT NOT NULL,         -- waiting, delivered, dead
    attempts    INTEGER NOT NULL,
    earlier     INTEGER NOT NULL,      -- how many of them before it was last to be sent again
    begun_at    TEXT NOT NULL,         -- 24 hours from here it is given up
    next_at     TEXT NOT NULL,         -- while it is being sent: until when nobody else tries
    lease       TEXT,                  -- whose try it is
    ended_at    TEXT,
    forgotten   INTEGER NOT NULL DEFAULT 0  -- its job's content is: the address goes with the delivery's end
);
CREATE INDEX webhook_due_of ON webhook_deliveries (project, next_at) WHERE state = 'waiting';
CREATE INDEX webhook_of_job ON webhook_deliveries (job_id);
CREATE INDEX webhook_ended ON webhook_deliveries (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE webhook_attempts (
    delivery_id TEXT NOT NULL,
    number      INTEGER NOT NULL,
    at          TEXT NOT NULL,
    status      INTEGER,               -- of HTTP; NULL where there was no answer
    latency_ms  INTEGER NOT NULL,
    error       TEXT,
    response    TEXT,                  -- its beginning
    PRIMARY KEY (delivery_id, number)
) {table};

-- Kept as it is: it must be there to sign with, and whoever reads this database reads all jobs anyway. It is shown once.
CREATE TABLE webhook_secrets (
    project    TEXT PRIMARY KEY,
    secret     TEXT NOT NULL,
    old_secret TEXT,                   -- signs too until old_until
    old_until  TEXT,
    created_at TEXT NOT NULL
) {table};
