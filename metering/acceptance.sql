-- What people said of images, after they were paid for. One decision for each image, or one for a whole job.
CREATE TABLE decisions (
    subject  TEXT PRIMARY KEY,
    job_id   TEXT NOT NULL,
    images   INTEGER NOT NULL CHECK (images > 0),
    accepted INTEGER NOT NULL CHECK (accepted IN (0, 1)),
    at       TEXT NOT NULL,
    who      TEXT NOT NULL,
    reason   TEXT
) WITHOUT ROWID;
CREATE INDEX decisions_by_job ON decisions (job_id);
CREATE INDEX decisions_by_time ON decisions (at);
