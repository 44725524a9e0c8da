-- The journal of hosted calls on one machine. Amounts are micro-dollars, times ISO 8601 in UTC.
CREATE TABLE identity (journal_id TEXT NOT NULL);

CREATE TABLE jobs (
    job_id  TEXT PRIMARY KEY,
    context TEXT NOT NULL,
    granted INTEGER NOT NULL CHECK (granted >= 0),
    closed  INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE calls (
    call_id        TEXT PRIMARY KEY,
    job_id         TEXT NOT NULL REFERENCES jobs,
    key            TEXT NOT NULL,
    attempt        INTEGER NOT NULL,
    node_id        TEXT NOT NULL,
    provider       TEXT NOT NULL,
    model          TEXT NOT NULL,
    request_digest TEXT NOT NULL,
    parameters     TEXT NOT NULL,
    owner          TEXT NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('held', 'asking', 'accepted', 'settled', 'released', 'unknown')),
    hold           INTEGER NOT NULL CHECK (hold >= 0),
    charged        INTEGER NOT NULL DEFAULT 0 CHECK (charged >= 0),
    request_id     TEXT,
    handle         TEXT,
    result         TEXT,
    forgotten      INTEGER NOT NULL DEFAULT 0,
    CHECK (state = 'settled' OR charged = 0)
) WITHOUT ROWID;

-- The database, not only the code, keeps a question from being paid for twice.
CREATE UNIQUE INDEX one_live_attempt ON calls (key) WHERE state != 'released' AND NOT forgotten;
CREATE INDEX calls_by_job ON calls (job_id, state);
CREATE INDEX calls_open ON calls (owner) WHERE state IN ('held', 'asking', 'accepted');

CREATE TABLE entries (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id  TEXT NOT NULL,
    call_id TEXT,
    kind    TEXT NOT NULL,
    at      TEXT NOT NULL,
    data    TEXT NOT NULL
);
CREATE INDEX entries_by_job ON entries (job_id, seq);
CREATE UNIQUE INDEX one_outcome ON entries (call_id, kind) WHERE kind IN ('held', 'settled', 'released');
