"""The ledger in SQLite keeps the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from mintmark.clock import utc_now
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.tests.contracts.ledger import *  # noqa: F403 - the contract's tests are this file's
from mintmark.tests.contracts.ledger import Ledgers
from mintmark.tests.contracts.ledger_budgets import *  # noqa: F403
from mintmark.tests.contracts.ledger_credit import *  # noqa: F403
from mintmark.tests.contracts.ledger_entries import *  # noqa: F403


class SqliteLedgers(Ledgers):
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened: list[SqliteLedger] = []

    def open(self, budget: int | None = None, *, now: Callable[[], datetime] = utc_now) -> SqliteLedger:
        self.opened.append(SqliteLedger(self.folder, budget_microusd=budget, now=now))
        return self.opened[-1]


@pytest.fixture
def ledgers(tmp_path: Path) -> Iterator[SqliteLedgers]:
    made = SqliteLedgers(tmp_path / "books")
    yield made
    for ledger in made.opened:
        ledger.close()
