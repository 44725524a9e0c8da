"""Older ledgers become today's: what they knew is booked again, entry by entry."""

from __future__ import annotations

import sqlite3

from ..clock import utc_now
from ..storage.database import run_script
from ..storage.sqlite_store import SqliteSession
from .ledger import Account, Posting
from .ledger_batch import Batch
from .ledger_usage import Counters
from .periods import stamp


def from_version_1(connection: sqlite3.Connection, schema: str) -> None:
    """Version 1 had allowances and postings, and no entries. What it did not know, such as when an allowance was
    granted, is taken to be the time of its first call, or now."""
    for view in ("calls", "open_allowances"):
        connection.execute(f"DROP VIEW {view}")
    for index in ("postings_by_allowance", "allowances_by_job", "one_outcome"):
        connection.execute(f"DROP INDEX {index}")
    for table in ("allowances", "postings", "cursors"):
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    run_script(connection, schema)
    connection.execute("INSERT INTO cursors SELECT journal_id, seq FROM old_cursors")
    _book(connection)
    for table in ("postings", "allowances", "cursors"):
        connection.execute(f"DROP TABLE old_{table}")


def _book(connection: sqlite3.Connection) -> None:
    session, now = SqliteSession(connection), stamp(utc_now())
    postings: dict[str, list[Posting]] = {}
    # In doubt first: an outcome came after it, and of two outcomes there was only one.
    for row in session.run("SELECT * FROM old_postings ORDER BY at, call_id, kind = 'unknown' DESC"):
        facts = {key: row[key] for key in ("call_id", "kind", "microusd", "provider", "model", "request_id", "at")}
        posting = Posting.model_validate({**facts, "job_id": ""})
        postings.setdefault(row["allowance_id"], []).append(posting)
    for row in session.run("SELECT * FROM old_allowances ORDER BY allowance_id"):
        _book_one(session, row, postings.get(row["allowance_id"], []), now)


def _book_one(session: SqliteSession, row: sqlite3.Row, postings: list[Posting], now: str) -> None:
    at = min((stamp(each.at) for each in postings), default=now)
    batch = Batch(session, at, Counters())
    account = Account(project=row["project"], user=row["user"], workflow=row["workflow"])
    batch.allowances.start(row["allowance_id"], row["job_id"], account, row["granted"] or None)
    batch.calls.post(each.model_copy(update={"job_id": row["job_id"]}) for each in postings)
    allowance = batch.allowances.find(row["allowance_id"])
    if row["closed"] and allowance is not None:
        batch.allowances.close(allowance)
    batch.finish()
