"""The ledger in SQLite keeps the contract."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from mintmark.metering.ledger import Account
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.tests.contracts.ledger import *  # noqa: F403 - the contract's tests are this file's
from mintmark.tests.contracts.ledger import Ledgers, posting


class SqliteLedgers(Ledgers):
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened: list[SqliteLedger] = []

    def open(self, budget: int | None = None) -> SqliteLedger:
        self.opened.append(SqliteLedger(self.folder, budget_microusd=budget))
        return self.opened[-1]


@pytest.fixture
def ledgers(tmp_path: Path) -> Iterator[SqliteLedgers]:
    made = SqliteLedgers(tmp_path / "books")
    yield made
    for ledger in made.opened:
        ledger.close()


def test_the_database_itself_forbids_two_outcomes_of_one_call(ledgers: SqliteLedgers) -> None:
    ledger = ledgers.open()
    ledger.allow("a", 10, Account())
    ledger.post([posting("a", "settled", 5, "c")])
    columns = "allowance_id, 0, provider, model, request_id, at"
    with pytest.raises(sqlite3.IntegrityError), ledger._db.transaction() as db:
        db.execute(f"INSERT INTO postings SELECT call_id, 'released', {columns} FROM postings")
