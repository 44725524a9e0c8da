"""A queue of a million waiting jobs within a minute or two: the rows that accepting them one by one would have written.

Rows are written by the database itself, sorted by what their tables are kept by, while the tables' indexes and triggers
are away; what the triggers would have kept is written beside. Waiting jobs belong to :data:`KEYS` keys.
"""

from __future__ import annotations

import hashlib
import sqlite3
from abc import ABC, abstractmethod
from contextlib import closing
from pathlib import Path
from typing import Any

from mintmark.clock import utc_now
from mintmark.metering.periods import stamp
from mintmark.orchestrator.jobs.job import Ordered
from mintmark.orchestrator.jobs.queueing import rank
from mintmark.orchestrator.jobs.records import ordered_document

KEYS = 100
ALLOWANCE = 10
TABLES = ("jobs", "job_events", "job_metadata", "allowances", "transfers", "balances")

_NUMBERS = """
CREATE TABLE filling AS
WITH RECURSIVE n(i) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {rows}),
     d(i, hash) AS (SELECT i, md5('' || i) FROM n)
SELECT i, substr(hash, 1, 8) || '-' || substr(hash, 9, 4) || '-4' || substr(hash, 14, 3) || '-a' ||
          substr(hash, 18, 3) || '-' || substr(hash, 21) AS id,
       'key-' || (i % {keys}) AS key_id, 'b-' || (i % 100000) AS batch
FROM d
"""
_FILL = (
    """
INSERT INTO jobs (job_id, queue_id, state, rank, ready, workflow, key_id, project, user_name, submitted_at, ordered)
SELECT id, 'hosted:' || key_id, 'queued', :rank + i, 1, 'poster', key_id, 'acme', 'user-' || (i % 1000), :at,
       replace(replace(replace(replace(:ordered, 'JOB', id), 'KEY', key_id), 'BATCH', batch),
               'USER', 'user-' || (i % 1000))
FROM filling ORDER BY i
""",
    """
INSERT INTO job_events (job_seq, at, kind, data)
SELECT seq, :at, 'queued', '{{}}' FROM filling JOIN jobs ON job_id = id ORDER BY seq
""",
    """
INSERT INTO job_metadata (name, value, job_seq)
SELECT 'batch', batch, seq FROM filling JOIN jobs ON job_id = id ORDER BY batch, seq
""",
    """
INSERT INTO allowances (allowance_id, job_id, project, user_name, api_key, workflow, source, granted, taken, overrun,
                        at)
SELECT id, id, 'acme', 'user-' || (i % 1000), key_id, 'poster@1.0.0', 'funds', {allowance}, {allowance}, 0, :at
FROM filling ORDER BY id
""",
    """
INSERT INTO transfers (at, kind, from_account, to_account, microusd, allowance_id, job_id, project, user_name, api_key,
                       workflow)
SELECT :at, 'grant', 'funds', 'allowance:' || id, {allowance}, id, id, 'acme', 'user-' || (i % 1000), key_id,
       'poster@1.0.0'
FROM filling ORDER BY i
""",
    "INSERT INTO balances (account, balance) SELECT 'allowance:' || id, {allowance} FROM filling ORDER BY id",
    """
INSERT INTO queues (queue_id, lane, served, waiting, ready, running, succeeded, failed, canceled)
SELECT 'hosted:' || key_id, 'hosted', (SELECT virtual_time FROM claiming), 0, 0, 0, 0, 0, 0 FROM filling
WHERE i < {keys} ON CONFLICT (queue_id) DO NOTHING
""",
    """
UPDATE queues SET waiting = waiting + found.jobs, ready = ready + found.jobs
FROM (SELECT queue_id AS its, count(*) AS jobs FROM jobs WHERE state = 'queued' GROUP BY queue_id) found
WHERE queue_id = found.its
""",
)


def order(job_id: str, key_id: str, user: str = "mia", batch: str = "b-1") -> Ordered:
    """What is asked for, each time."""
    return Ordered(
        job_id=job_id,
        key_id=key_id,
        project="acme",
        user=user,
        workflow="poster",
        version="1.0.0",
        digest="d" * 64,
        lane="hosted",
        values={"prompt": "a red fox in the snow, seen from above, at dusk", "seed": 7, "width": 1024, "height": 1024},
        allowance_microusd=ALLOWANCE,
        metadata={"batch": batch},
    )


class Target(ABC):
    """A database that is filled, by a connection of its own, in one transaction."""

    @abstractmethod
    def run(self, sql: str, **values: Any) -> None:
        """One statement."""

    @abstractmethod
    def bare(self) -> list[str]:
        """Take the tables' indexes and triggers away; what brings them back."""

    def fill(self, rows: int) -> None:
        """So many more jobs wait."""
        now = utc_now()
        document = ordered_document(order("JOB", "KEY", "USER", "BATCH"))
        shape = {"at": stamp(now), "rank": rank(now, 0), "ordered": document}
        again = self.bare()
        self.run(_NUMBERS.format(rows=rows, keys=KEYS))
        for sql in _FILL:
            needed = {name: value for name, value in shape.items() if f":{name}" in sql}
            self.run(sql.format(keys=KEYS, allowance=ALLOWANCE), **needed)
        for sql in [*again, "DROP TABLE filling"]:
            self.run(sql)


class _Sqlite(Target):
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def run(self, sql: str, **values: Any) -> None:
        self._db.execute(sql, values)

    def bare(self) -> list[str]:
        kept = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql NOT NULL"
        found = [row for row in self._db.execute(kept) if row[2] in TABLES]
        for kind, name, _, _ in found:
            self.run(f"DROP {kind} {name}")
        return [sql for _, _, _, sql in found]


def fill_sqlite(path: Path, rows: int) -> None:
    """Fill the jobs of a ledger's file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.create_function("md5", 1, lambda text: hashlib.md5(text.encode()).hexdigest(), deterministic=True)
        for pragma in ("synchronous = OFF", "cache_size = -400000", "temp_store = MEMORY"):
            db.execute(f"PRAGMA {pragma}")
        db.execute("BEGIN IMMEDIATE")
        _Sqlite(db).fill(rows)
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


_INDEXES = """
SELECT i.relname, t.relname, pg_get_indexdef(i.oid), c.conname, pg_get_constraintdef(c.oid)
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
LEFT JOIN pg_constraint c ON c.conindid = i.oid AND c.contype IN ('p', 'u')
WHERE t.relnamespace = to_regnamespace(current_schema()::text)
  AND NOT EXISTS (SELECT 1 FROM pg_constraint f WHERE f.contype = 'f' AND f.conindid = i.oid)
"""


class _Postgres(Target):
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def run(self, sql: str, **values: Any) -> None:
        self._connection.run(sql, **values)

    def bare(self) -> list[str]:
        again = []
        for name, table, sql, constraint, rule in self._connection.run(_INDEXES):
            if table not in TABLES:
                continue
            if constraint is None:
                self.run(f"DROP INDEX {name}")
                again.append(sql)
            else:
                self.run(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
                again.append(f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {rule}")
        self.run("ALTER TABLE transfers DISABLE TRIGGER USER")
        return [*again, "ALTER TABLE transfers ENABLE TRIGGER USER"]


def fill_postgres(url: str, rows: int) -> None:
    """Fill the jobs of a ledger's schema."""
    from mintmark.storage.postgres_store import Address, connect

    with closing(connect(Address.parse(url))) as connection:
        for setting in ("enable_seqscan TO on", "maintenance_work_mem TO '256MB'", "work_mem TO '256MB'"):
            connection.run(f"SET {setting}")
        connection.run("BEGIN")
        _Postgres(connection).fill(rows)
        connection.run("COMMIT")
        # What PostgreSQL does by itself in the minutes after so many rows have come.
        for table in (*TABLES, "queues"):
            connection.run(f"VACUUM ANALYZE {table}")
