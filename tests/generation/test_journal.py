"""The journal in SQLite keeps the contract, and what only a file can do wrong."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from mintmark.errors import CannotWrite, DiskFull
from mintmark.generation.call import STEPS, call_key
from mintmark.generation.context import JobContext
from mintmark.generation.sqlite_journal import SqliteJournal
from mintmark.tests.contracts.journal import *  # noqa: F403 - the contract's tests are this file's
from mintmark.tests.contracts.journal import ALLOWED, at, context, new_call, numbers

from .conftest import SqliteJournals


def test_the_contract_s_steps_are_the_code_s() -> None:
    begun = ("held", "asking")
    assert {(now, then) for now, allowed in STEPS.items() for then in allowed} == ALLOWED | {begun}


def test_the_journal_keeps_its_identity(journals: SqliteJournals) -> None:
    assert journals.open().journal_id == journals.open().journal_id


def test_the_database_itself_forbids_a_second_live_attempt(journals: SqliteJournals) -> None:
    journal = journals.open()
    job = context()
    journal.open_job(job)
    call = at(journal, job, "asking", key="k")
    row = dict(journal._db.rows("SELECT * FROM calls WHERE call_id = ?", call.call_id)[0])
    row |= {"call_id": "another", "attempt": 2}
    insert = f"INSERT INTO calls ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
    with pytest.raises(sqlite3.IntegrityError), journal._db.transaction() as db:
        db.execute(insert, tuple(row.values()))


def hold_many(journal: SqliteJournal, job: JobContext) -> None:
    for _ in range(500):
        journal.hold(new_call(job, 10, parameters={"text": "x" * 4000}))


def test_a_full_disk_changes_nothing_and_says_so(journals: SqliteJournals) -> None:
    journal = journals.open()
    job = context(10**12)
    journal.open_job(job)
    journal._db._connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(DiskFull):
        hold_many(journal, job)
    held = [entry for entry in journal.since(0) if entry.kind == "held"]
    assert numbers(journal.report(job.job_id))[1] == 10 * len(held)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite3").write_bytes(b"not a database, but long enough to look" * 100)
    with pytest.raises(CannotWrite, match=r"journal\.sqlite3"):
        SqliteJournals(tmp_path).open()


def test_a_newer_file_is_refused_and_left_as_it_is(journals: SqliteJournals) -> None:
    journals.open()._db._connection.execute("PRAGMA user_version = 99")
    with pytest.raises(CannotWrite, match="newer"):
        journals.open()


def test_a_dead_owner_leaves_no_litter(journals: SqliteJournals) -> None:
    journal, dead = journals.open(), journals.open()
    job = context()
    journal.open_job(job)
    at(dead, job, "held")
    journals.die(dead)
    assert len(journal.adopt_orphans()) == 1
    left = {path.stem for path in (journals.folder / "owners").glob("*.lock")}
    assert left == {journal.owner}


def test_a_key_names_job_node_question_and_place() -> None:
    keys = {
        call_key(*each) for each in [("j", "n", "d", 0), ("j", "n", "d", 1), ("j", "n", "e", 0), ("j", "m", "d", 0)]
    }
    assert len(keys) == 4
    assert call_key("j", "n", "d", 0) in keys
