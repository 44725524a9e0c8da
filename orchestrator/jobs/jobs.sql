-- Jobs, in SQLite and PostgreSQL alike. Times are ISO 8601 in UTC with microseconds, all of one length, so that they
-- sort as text. {serial} and {table} are the dialect's.

-- A job. ordered and result are documents (see records.py); what is asked for in lists, or decides what happens next,
-- has a column. ready: may be claimed now. due: when it becomes ready, where that is later. deadline: until when it may
-- begin, while it waits. rank: see queueing.py.
CREATE TABLE jobs (
    seq          {serial},
    job_id       TEXT NOT NULL UNIQUE,
    queue_id     TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'canceled')),
    outcome      TEXT,
    rank         BIGINT NOT NULL,
    ready        INTEGER NOT NULL,
    due          TEXT,
    deadline     TEXT,
    fence        BIGINT NOT NULL DEFAULT 0,
    attempt      INTEGER NOT NULL DEFAULT 0,
    worker       TEXT,
    lease_owner  TEXT,
    lease_until  TEXT,
    cancel_asked TEXT,
    workflow     TEXT NOT NULL,
    key_id       TEXT,
    project      TEXT NOT NULL,
    user_name    TEXT NOT NULL,
    cache_key    TEXT,
    submitted_at TEXT NOT NULL,
    started_at   TEXT,
    ended_at     TEXT,
    keep_until   TEXT,
    cost         BIGINT NOT NULL DEFAULT 0,
    cached       INTEGER NOT NULL DEFAULT 0,
    purged       INTEGER NOT NULL DEFAULT 0,
    result       TEXT,
    ordered      TEXT NOT NULL,
    CHECK (ready = 0 OR state = 'queued'),
    CHECK ((state = 'running') = (lease_owner IS NOT NULL))
);
CREATE INDEX jobs_ready ON jobs (queue_id, rank, seq) WHERE ready = 1;
CREATE INDEX jobs_due ON jobs (due) WHERE due IS NOT NULL;
CREATE INDEX jobs_deadline ON jobs (deadline) WHERE deadline IS NOT NULL;
CREATE INDEX jobs_leased ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_by_state ON jobs (state, seq);
CREATE INDEX jobs_by_workflow ON jobs (workflow, seq);
CREATE INDEX jobs_by_key ON jobs (key_id, seq) WHERE key_id IS NOT NULL;
CREATE INDEX jobs_by_project ON jobs (project, seq);
CREATE INDEX jobs_by_user ON jobs (user_name, seq);
CREATE INDEX jobs_by_time ON jobs (submitted_at, seq);
CREATE INDEX jobs_cached ON jobs (cache_key, seq) WHERE cache_key IS NOT NULL;
CREATE INDEX jobs_succeeded ON jobs (workflow, ended_at) WHERE state = 'succeeded';
CREATE INDEX jobs_kept_until ON jobs (keep_until) WHERE keep_until IS NOT NULL;
CREATE INDEX jobs_kept ON jobs (ended_at) WHERE ended_at IS NOT NULL AND keep_until IS NULL AND purged = 0;

-- One for each key and lane. served: its virtual time, see queueing.py. waiting counts those that are not ready, too.
CREATE TABLE queues (
    queue_id  TEXT PRIMARY KEY,
    lane      TEXT NOT NULL,
    served    BIGINT NOT NULL,
    waiting   BIGINT NOT NULL CHECK (waiting >= ready),
    ready     BIGINT NOT NULL CHECK (ready >= 0),
    running   BIGINT NOT NULL CHECK (running >= 0),
    succeeded BIGINT NOT NULL,
    failed    BIGINT NOT NULL,
    canceled  BIGINT NOT NULL
) {table};
CREATE INDEX queues_by_turn ON queues (lane, served, queue_id) WHERE ready > 0;
CREATE INDEX queues_waiting ON queues (waiting) WHERE waiting > 0;

-- One row. virtual_time: that of the queue which was served last.
CREATE TABLE claiming (
    one          INTEGER PRIMARY KEY CHECK (one = 1),
    virtual_time BIGINT NOT NULL,
    paused       INTEGER NOT NULL
);
INSERT INTO claiming (one, virtual_time, paused) VALUES (1, 0, 0);

CREATE TABLE job_events (
    seq     {serial},
    job_seq BIGINT NOT NULL,
    at      TEXT NOT NULL,
    kind    TEXT NOT NULL,
    data    TEXT NOT NULL
);
CREATE INDEX events_by_job ON job_events (job_seq, seq);

-- What files a job made (role output) or was given (input).
CREATE TABLE job_assets (
    asset   TEXT NOT NULL,
    job_seq BIGINT NOT NULL,
    role    TEXT NOT NULL CHECK (role IN ('input', 'output')),
    PRIMARY KEY (asset, job_seq, role)
) {table};

CREATE TABLE job_metadata (
    name    TEXT NOT NULL,
    value   TEXT NOT NULL,
    job_seq BIGINT NOT NULL,
    PRIMARY KEY (name, value, job_seq)
) {table};
