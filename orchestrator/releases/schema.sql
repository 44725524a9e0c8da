-- Every workflow document that was published, or that a job ran: for ever, by its digest.
CREATE TABLE release_documents (
    digest TEXT PRIMARY KEY,
    document TEXT NOT NULL
) {table};

-- What was published. A row never changes. project: whose the name is; null where it is nobody's.
CREATE TABLE releases (
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    digest TEXT NOT NULL,
    published_at TEXT NOT NULL,
    published_by TEXT NOT NULL,
    project TEXT,
    PRIMARY KEY (name, version)
) {table};

-- Versions, shipped ones too, that nobody should begin to use any more.
CREATE TABLE release_deprecations (
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    message TEXT NOT NULL,
    deprecated_at TEXT NOT NULL,
    PRIMARY KEY (name, version)
) {table};

CREATE TABLE release_aliases (
    name TEXT NOT NULL,
    alias TEXT NOT NULL,
    version TEXT NOT NULL,
    percent INTEGER NOT NULL,
    PRIMARY KEY (name, alias)
) {table};

-- Grows with every change of the three tables above: who has read them asks for this alone.
CREATE TABLE release_revision (id INTEGER PRIMARY KEY, revision INTEGER NOT NULL) {table};
INSERT INTO release_revision (id, revision) VALUES (1, 0);
