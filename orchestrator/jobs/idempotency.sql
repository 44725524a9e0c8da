-- What came of a request with an Idempotency-Key: the job that it made, or the answer that it got.
CREATE TABLE idempotency (
    scope   TEXT NOT NULL,
    key     TEXT NOT NULL,
    digest  TEXT NOT NULL,
    job_id  TEXT,
    status  INTEGER,
    answer  TEXT,
    expires TEXT NOT NULL,
    PRIMARY KEY (scope, key)
) {table};
CREATE INDEX idempotency_by_age ON idempotency (expires);
