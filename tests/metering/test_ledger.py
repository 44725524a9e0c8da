"""The ledger in SQLite keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.tests.contracts.ledger import *  # noqa: F403 - the contract's tests are this file's
from mintmark.tests.contracts.ledger import Ledgers


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
