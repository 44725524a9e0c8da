-- What becomes of content. Times are UTC text of one length.

-- How long a project's content is kept after its job's end, in days; NULL: as long as the service's setting says.
CREATE TABLE retention_rules (
    project TEXT PRIMARY KEY,
    prompts DOUBLE PRECISION,
    inputs  DOUBLE PRECISION,
    outputs DOUBLE PRECISION
) {table};

-- Up to which end a project's jobs have been seen to: project '' is all those without a rule.
CREATE TABLE retention_seen (
    project  TEXT NOT NULL,
    content  TEXT NOT NULL,
    ended_at TEXT NOT NULL,
    job_id   TEXT NOT NULL,
    PRIMARY KEY (project, content)
) {table};

-- Nothing of a project, job or user is forgotten while it is held.
CREATE TABLE legal_holds (
    hold_id     TEXT PRIMARY KEY,
    scope       TEXT NOT NULL CHECK (scope IN ('project', 'job', 'user')),
    value       TEXT NOT NULL,  -- of a user whose hold is released: his digest (access/velocity.py)
    reason      TEXT NOT NULL,
    actor       TEXT NOT NULL,
    held_at     TEXT NOT NULL,
    released_at TEXT
) {table};
CREATE INDEX legal_holds_of ON legal_holds (scope, value) WHERE released_at IS NULL;

-- Jobs whose time was over while they were held: looked at again.
CREATE TABLE retention_skipped (
    job_id  TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (job_id, content)
) {table};

-- What a file looks like, in 64 hex digits: provenance/softbinding.py. A file without features has ''.
CREATE TABLE looks (
    seq    {serial},
    asset  TEXT NOT NULL UNIQUE,
    job_id TEXT NOT NULL,
    look   TEXT NOT NULL
);
CREATE TABLE looks_read (one INTEGER PRIMARY KEY CHECK (one = 1), event BIGINT NOT NULL) {table};
INSERT INTO looks_read (one, event) VALUES (1, 0);

-- Files that are not given any more, by digest, by what they hold and by look.
CREATE TABLE takedowns (
    takedown_id TEXT PRIMARY KEY,
    asset       TEXT NOT NULL,
    look        TEXT NOT NULL,  -- '': not by its look
    mode        TEXT NOT NULL CHECK (mode IN ('withheld', 'deleted')),
    reason      TEXT NOT NULL,
    actor       TEXT NOT NULL,
    at          TEXT NOT NULL,
    undone_at   TEXT,
    content     TEXT NOT NULL DEFAULT ''  -- what it holds beside its credential: provenance/sameness.py; '': not known
) {table};
CREATE INDEX takedowns_of ON takedowns (asset) WHERE undone_at IS NULL;
