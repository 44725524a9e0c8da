-- The ledger, in SQLite and PostgreSQL alike. Amounts are micro-dollars, times ISO 8601 in UTC with microseconds, all of
-- one length, so that they sort as text. {serial} and {table} are the dialect's; so are the triggers in the file beside.

-- Double entry: a row moves money from one account to another, so an entry that does not balance cannot be written.
-- Rows are appended and never changed. A settlement or release of nothing is an entry, too: the call was over.
-- Accounts that must not go below zero have a colon and a kept balance (allowance:, hold:, credit:); the world's have
-- none: funds (ours), payments (customers'), expired, and spent:<provider>.
CREATE TABLE transfers (
    transfer_id  {serial},
    at           TEXT NOT NULL,
    kind         TEXT NOT NULL CHECK (kind IN (
        'grant', 'hold', 'settle', 'release', 'return', 'close', 'overrun', 'adjust', 'top_up', 'refund', 'expire')),
    from_account TEXT NOT NULL,
    to_account   TEXT NOT NULL,
    microusd     BIGINT NOT NULL CHECK (microusd > 0 OR (microusd = 0 AND kind IN ('settle', 'release'))),
    allowance_id TEXT,
    job_id       TEXT,
    call_id      TEXT,
    project      TEXT,
    user_name    TEXT,
    api_key      TEXT,
    workflow     TEXT,
    provider     TEXT,
    model        TEXT,
    request_id   TEXT,
    reason       TEXT,
    entry_key    TEXT,
    CHECK (from_account <> to_account)
);
-- A call is settled or released once; a key books once. The database itself forbids the second.
CREATE UNIQUE INDEX one_outcome ON transfers (call_id) WHERE kind IN ('settle', 'release');
CREATE UNIQUE INDEX one_entry ON transfers (entry_key) WHERE entry_key IS NOT NULL;
CREATE INDEX transfers_by_job ON transfers (job_id);

-- What guarded accounts have; kept by a trigger on transfers. An account without a row has nothing.
CREATE TABLE balances (
    account TEXT PRIMARY KEY,
    balance BIGINT NOT NULL CHECK (balance >= 0)
) {table};

-- A granted job has one allowance under its own id; a job run by hand has one for each call, under the call's id.
-- granted: NULL where charges came and nobody granted anything (yet). taken: what it counts against budgets: granted
-- and overrun, less what was given back.
CREATE TABLE allowances (
    allowance_id TEXT PRIMARY KEY,
    job_id       TEXT NOT NULL,
    project      TEXT NOT NULL,
    user_name    TEXT NOT NULL,
    api_key      TEXT,
    workflow     TEXT,
    source       TEXT NOT NULL,
    granted      BIGINT CHECK (granted >= 0),
    taken        BIGINT NOT NULL CHECK (taken >= 0),
    overrun      BIGINT NOT NULL CHECK (overrun >= 0),
    at           TEXT NOT NULL,
    closed       INTEGER NOT NULL DEFAULT 0
) {table};
CREATE INDEX allowances_by_job ON allowances (job_id);
CREATE INDEX allowances_by_time ON allowances (at);

-- A call as it stands: an outcome replaces the doubt before it, whichever was told first.
CREATE TABLE calls (
    call_id      TEXT PRIMARY KEY,
    allowance_id TEXT NOT NULL REFERENCES allowances,
    job_id       TEXT NOT NULL,
    kind         TEXT NOT NULL CHECK (kind IN ('settled', 'unknown', 'released')),
    microusd     BIGINT NOT NULL CHECK (microusd >= 0),
    provider     TEXT NOT NULL,
    model        TEXT NOT NULL,
    request_id   TEXT,
    at           TEXT NOT NULL,
    images       INTEGER NOT NULL CHECK (images >= 0),
    cached       INTEGER NOT NULL
) {table};
CREATE INDEX calls_by_job ON calls (job_id);
CREATE INDEX calls_by_time ON calls (at);
CREATE INDEX calls_in_doubt ON calls (at) WHERE kind = 'unknown';

-- Calls by day and by what reports ask for, kept with them, so that a report reads no single entry.
CREATE TABLE daily (
    day              TEXT NOT NULL,
    project          TEXT NOT NULL,
    user_name        TEXT NOT NULL,
    api_key          TEXT NOT NULL,
    workflow         TEXT NOT NULL,
    provider         TEXT NOT NULL,
    model            TEXT NOT NULL,
    calls            BIGINT NOT NULL,
    unknown          BIGINT NOT NULL,
    released         BIGINT NOT NULL,
    cached           BIGINT NOT NULL,
    images           BIGINT NOT NULL,
    microusd         BIGINT NOT NULL,
    unknown_microusd BIGINT NOT NULL,
    PRIMARY KEY (day, project, user_name, api_key, workflow, provider, model)
) {table};

CREATE TABLE budgets (
    budget_id      TEXT PRIMARY KEY,
    scope          TEXT NOT NULL CHECK (scope IN ('user', 'project', 'api_key', 'workflow', 'overall')),
    scope_value    TEXT NOT NULL,
    period         TEXT NOT NULL CHECK (period IN ('day', 'month', 'total')),
    limit_microusd BIGINT CHECK (limit_microusd >= 0),
    soft_microusd  BIGINT CHECK (soft_microusd >= 0),
    grace_microusd BIGINT CHECK (grace_microusd >= 0)
) {table};
CREATE INDEX budgets_by_scope ON budgets (scope, scope_value);

-- taken: the sum of what the allowances granted in this period took, for whom the budget is.
CREATE TABLE budget_usage (
    budget_id    TEXT NOT NULL REFERENCES budgets,
    period_start TEXT NOT NULL,
    taken        BIGINT NOT NULL CHECK (taken >= 0),
    warned       INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (budget_id, period_start)
) {table};

CREATE TABLE events (
    event_id     {serial},
    at           TEXT NOT NULL,
    kind         TEXT NOT NULL,
    budget_id    TEXT NOT NULL,
    period_start TEXT NOT NULL,
    microusd     BIGINT NOT NULL
);

-- Prepaid credit. The lots' rests are the account's balance; draws say which lots an allowance came from.
CREATE TABLE credit_accounts (account TEXT PRIMARY KEY, at TEXT NOT NULL) {table};
CREATE TABLE credit_lots (
    lot_id        TEXT PRIMARY KEY,
    account       TEXT NOT NULL REFERENCES credit_accounts,
    at            TEXT NOT NULL,
    expires_at    TEXT NOT NULL,
    microusd      BIGINT NOT NULL CHECK (microusd > 0),
    left_microusd BIGINT NOT NULL CHECK (left_microusd >= 0 AND left_microusd <= microusd)
) {table};
CREATE INDEX lots_by_account ON credit_lots (account, expires_at);
CREATE TABLE credit_draws (
    allowance_id TEXT NOT NULL,
    lot_id       TEXT NOT NULL REFERENCES credit_lots,
    microusd     BIGINT NOT NULL CHECK (microusd >= 0),
    PRIMARY KEY (allowance_id, lot_id)
) {table};

CREATE TABLE cursors (journal_id TEXT PRIMARY KEY, seq BIGINT NOT NULL) {table};
