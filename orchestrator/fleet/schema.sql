-- Workers that were added while the service ran, and how they and all others stand. Times are UTC text of one length.

CREATE TABLE workers (
    name          TEXT PRIMARY KEY,
    url           TEXT,           -- null: a runner of a service, or one that its settings name; only how it stands is here
    labels        TEXT NOT NULL,  -- words with spaces between
    region        TEXT,
    hour_microusd BIGINT,
    warm          TEXT NOT NULL DEFAULT '',  -- model files, with lines between
    canary        INTEGER,        -- percent of the jobs that it is given, while it is tried
    state         TEXT NOT NULL,  -- up, draining, quarantined
    reason        TEXT,
    until         TEXT,
    strikes       INTEGER NOT NULL,
    struck_at     TEXT,
    told_at       TEXT,           -- when it first told what it has; null: it never did
    added_at      TEXT NOT NULL,
    added_by      TEXT NOT NULL
) {table};
CREATE UNIQUE INDEX workers_url ON workers (url);

-- Grows with every change of the table above: who has read it asks for this alone.
CREATE TABLE workers_revision (id INTEGER PRIMARY KEY, revision BIGINT NOT NULL) {table};
INSERT INTO workers_revision (id, revision) VALUES (1, 0);
