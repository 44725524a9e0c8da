-- The local ledger. Amounts are micro-dollars, times ISO 8601 in UTC. Postings are appended and never changed.
-- A granted job has one allowance under its own id; a job run by hand has one for each call, under the call's id.
CREATE TABLE allowances (
    allowance_id TEXT PRIMARY KEY,
    job_id       TEXT NOT NULL,
    project      TEXT NOT NULL,
    user         TEXT NOT NULL,
    workflow     TEXT,
    granted      INTEGER NOT NULL CHECK (granted >= 0),
    closed       INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE postings (
    call_id      TEXT NOT NULL,
    kind         TEXT NOT NULL CHECK (kind IN ('settled', 'unknown', 'released')),
    allowance_id TEXT NOT NULL REFERENCES allowances,
    microusd     INTEGER NOT NULL CHECK (microusd >= 0),
    provider     TEXT NOT NULL,
    model        TEXT NOT NULL,
    request_id   TEXT,
    at           TEXT NOT NULL,
    PRIMARY KEY (call_id, kind)
) WITHOUT ROWID;
CREATE INDEX postings_by_allowance ON postings (allowance_id);
CREATE INDEX allowances_by_job ON allowances (job_id);

-- A call is settled or released once; the database itself forbids both.
CREATE UNIQUE INDEX one_outcome ON postings (call_id) WHERE kind IN ('settled', 'released');

CREATE TABLE cursors (journal_id TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;

-- A call as it stands: an outcome replaces the doubt before it, whichever was told first.
CREATE VIEW calls AS
SELECT p.*, a.job_id, a.project, a.user, a.workflow
FROM postings p JOIN allowances a USING (allowance_id)
WHERE p.kind != 'unknown'
   OR NOT EXISTS (SELECT 1 FROM postings o WHERE o.call_id = p.call_id AND o.kind != 'unknown');

CREATE VIEW open_allowances AS
SELECT a.allowance_id,
       max(0, a.granted - coalesce((SELECT sum(c.microusd) FROM calls c WHERE c.allowance_id = a.allowance_id), 0))
       AS set_aside
FROM allowances a WHERE NOT a.closed;
