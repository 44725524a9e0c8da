-- Who uploaded which asset. The same bytes may be several people's.
CREATE TABLE uploads (
    owner TEXT NOT NULL,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    uploaded_at TEXT NOT NULL,
    PRIMARY KEY (owner, digest)
) {table};
CREATE INDEX uploads_by_digest ON uploads (digest);
CREATE INDEX uploads_by_age ON uploads (uploaded_at);
