"""The tests of the ledger can fail: with its guards taken out, they do."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis.stateful import run_state_machine_as_test

from mintmark.metering import ledger_allowances, ledger_calls, ledger_usage
from mintmark.metering.budgets import Budget
from mintmark.metering.ledger import Account
from mintmark.metering.ledger_sql import SqlLedger
from mintmark.storage.sqlite_store import SqliteSession, SqliteStore

from .crowd import opened
from .machine import profile
from .postgres import database
from .test_ledger_machine import OnPostgres, OnSqlite

BROKEN: tuple[type[BaseException], ...] = (AssertionError, sqlite3.IntegrityError)
"""What the machine says, or the database before it."""


def without_the_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """A budget's row is raised whatever it says."""
    taking = ledger_usage._TAKE.replace("<= CAST(:ceiling AS", "< :ceiling + CAST(2e15 AS")
    monkeypatch.setattr(ledger_usage, "_TAKE", taking)


def without_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A posting that comes twice is booked twice."""
    real = ledger_calls.Calls.call
    monkeypatch.setattr(ledger_calls.Calls, "call", lambda self, call_id: real(self, call_id) and None)


def without_giving_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a job did not spend stays taken."""
    leave = lambda _self, allowance: setattr(allowance, "closed", True)  # noqa: E731
    monkeypatch.setattr(ledger_allowances.Allowances, "close", leave)


@pytest.mark.parametrize("broken", [without_the_guard, without_the_memory, without_giving_back])
def test_a_ledger_without_its_guards_fails_the_machine(
    monkeypatch: pytest.MonkeyPatch, broken: Callable[[pytest.MonkeyPatch], None]
) -> None:
    broken(monkeypatch)
    with pytest.raises(BROKEN):
        run_state_machine_as_test(OnSqlite, settings=profile(60, 40, shrink=False))


def test_on_postgres_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with database():
        without_the_guard(monkeypatch)
        with pytest.raises(BROKEN):
            run_state_machine_as_test(OnPostgres, settings=profile(30, 30, shrink=False))


class CheckThenAdd:
    """What every other tool does: look, decide, add. ``meeting`` is where two that looked wait for each other."""

    def __init__(self) -> None:
        self.meeting = threading.Barrier(2)

    def apply(
        self, _counters: Any, db: Any, counter: ledger_usage.Counter, change: int, _at: str, *, refuse: bool
    ) -> None:
        key = {"budget_id": counter.budget_id, "start": counter.start}
        (row,) = db.run("SELECT taken FROM budget_usage WHERE budget_id = :budget_id AND period_start = :start", **key)
        if refuse and row["taken"] + change > (counter.ceiling or 0):
            raise ledger_usage._refusal(counter, row["taken"], change, counter.ceiling or 0)
        self.meeting.wait(10)
        sql = "UPDATE budget_usage SET taken = taken + :change WHERE budget_id = :budget_id AND period_start = :start"
        db.run(sql, change=change, **key)


def _method(broken: CheckThenAdd) -> Callable[..., None]:
    def method(counters: Any, *values: Any, **named: Any) -> None:
        broken.apply(counters, *values, **named)

    return method


@contextmanager
def without_transactions(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """SQLite, where each statement is on its own: inside a transaction of ours, others cannot even look."""

    def transact(_store: SqliteStore, work: Callable[[Any], Any]) -> Any:
        with closing(sqlite3.connect(folder / "ledger.sqlite3", isolation_level=None, timeout=10)) as db:
            db.row_factory = sqlite3.Row
            return work(SqliteSession(db))

    with monkeypatch.context() as patched:
        patched.setattr(SqliteStore, "transact", transact)
        yield


def both_take(ledgers: list[SqlLedger]) -> int:
    """Two want all of one budget at the same time; how much of it is taken then."""
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda n: ledgers[n].allow(f"job-{n}", 100, Account(project="acme")), range(2)))
    return ledgers[0].budgets()[0].taken_microusd


def test_a_ledger_that_checks_then_adds_overspends_on_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(opened(str(tmp_path))) as one, closing(opened(str(tmp_path))) as two:
        one.set_budget(Budget("project", "acme", "total", 100))
        monkeypatch.setattr(ledger_usage.Counters, "_apply", _method(CheckThenAdd()))
        with without_transactions(tmp_path, monkeypatch):
            assert both_take([one, two]) == 200


def test_a_ledger_that_checks_then_adds_overspends_on_postgres(monkeypatch: pytest.MonkeyPatch) -> None:
    with database() as url, closing(opened(url)) as one, closing(opened(url)) as two:
        one.set_budget(Budget("project", "acme", "total", 100))
        monkeypatch.setattr(ledger_usage.Counters, "_apply", _method(CheckThenAdd()))
        assert both_take([one, two]) == 200
