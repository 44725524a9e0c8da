"""The file that the embedded store is: made by an older release, copied while it is written."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from mintmark.errors import CannotWrite
from mintmark.metering.ledger import Account
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.orchestrator.jobs.base import Filter
from mintmark.orchestrator.jobs.sql_store import PART, SqlJobStore
from mintmark.orchestrator.jobs.states import State
from mintmark.storage.base import Part
from mintmark.tests.contracts.jobs import SUCCEEDED, accepted, claimed, counted, kinds


def test_a_ledger_of_the_release_before_the_service_gets_the_tables_and_loses_nothing(tmp_path: Path) -> None:
    with closing(SqliteLedger(tmp_path)) as ledger:
        ledger.allow("by hand", 60, Account())
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite3")) as raw:
        names = {row[0] for row in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert not names & {"jobs", "parts"}
    with closing(SqliteLedger(tmp_path)) as ledger:
        job = accepted(SqlJobStore(ledger))
        assert SqlJobStore(ledger).get(job.job_id) == job
        assert ledger.totals().set_aside_microusd == 70
        assert ledger.problems() == []


def test_a_later_release_changes_the_tables_and_keeps_the_jobs(tmp_path: Path) -> None:
    with closing(SqliteLedger(tmp_path)) as ledger:
        store = SqlJobStore(ledger)
        job = accepted(store)
        later = Part(
            PART.name,
            PART.script,
            version=PART.version + 1,
            upgrades={PART.version: lambda db: db.script("ALTER TABLE jobs ADD COLUMN colour TEXT")},
        )
        ledger.store.install(later)
        assert store.get(job.job_id) == job
        with pytest.raises(CannotWrite):
            SqlJobStore(ledger)


def test_a_copy_made_while_jobs_come_and_go_is_a_whole_store(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    enough, copied = threading.Event(), threading.Event()
    with closing(SqliteLedger(tmp_path)) as ledger:
        store = SqlJobStore(ledger)

        def come_and_go() -> None:
            number = 0
            while not copied.is_set():
                accepted(store, key_id=f"key-{number % 3}", metadata={"number": number})
                if number % 2:
                    store.end(claimed(store, most=1)[0], SUCCEEDED)
                number += 1
                if number == 20:
                    enough.set()

        writer = threading.Thread(target=come_and_go, name="writer")
        writer.start()
        try:
            assert enough.wait(60)
            with (
                closing(sqlite3.connect(tmp_path / "ledger.sqlite3")) as source,
                closing(sqlite3.connect(tmp_path / "copy" / "ledger.sqlite3")) as target,
            ):
                source.backup(target)
        finally:
            copied.set()
            writer.join()
    with closing(SqliteLedger(tmp_path / "copy")) as ledger:
        store = SqlJobStore(ledger)
        assert ledger.problems() == []
        jobs = store.find(Filter(), limit=10_000)
        assert len(jobs) >= 20
        assert store.counts() == counted(store)
        ends = {State.QUEUED: "queued", State.RUNNING: "claimed", State.SUCCEEDED: "succeeded"}
        assert all(kinds(store, job.job_id)[-1] == ends[job.state] for job in jobs)
        [lease] = claimed(store, most=1)
        store.end(lease, SUCCEEDED)
