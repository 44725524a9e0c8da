-- Jobs submitted from this machine. Times are ISO 8601 in UTC.
CREATE TABLE jobs (
    job_id      TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    workflow    TEXT NOT NULL,
    worker      TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('open', 'succeeded', 'failed', 'canceled', 'abandoned')),
    owner       TEXT NOT NULL,
    error       TEXT,
    submitted   TEXT NOT NULL,
    ended       TEXT
) WITHOUT ROWID;
CREATE INDEX open_jobs ON jobs (fingerprint) WHERE state = 'open';
