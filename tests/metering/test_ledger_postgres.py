"""The ledger in PostgreSQL keeps the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

import pytest

from mintmark.metering.ledger_sql import utc_now
from mintmark.metering.postgres_ledger import PostgresLedger
from mintmark.tests.contracts.ledger import *  # noqa: F403 - the contract's tests are this file's
from mintmark.tests.contracts.ledger import Ledgers
from mintmark.tests.contracts.ledger_budgets import *  # noqa: F403
from mintmark.tests.contracts.ledger_credit import *  # noqa: F403
from mintmark.tests.contracts.ledger_entries import *  # noqa: F403

from .postgres import database


class PostgresLedgers(Ledgers):
    def __init__(self, url: str) -> None:
        self.url = url
        self.opened: list[PostgresLedger] = []

    def open(self, budget: int | None = None, *, now: Callable[[], datetime] = utc_now) -> PostgresLedger:
        self.opened.append(PostgresLedger(self.url, budget_microusd=budget, now=now))
        return self.opened[-1]


@pytest.fixture
def ledgers() -> Iterator[PostgresLedgers]:
    with database() as url:
        made = PostgresLedgers(url)
        yield made
        for ledger in made.opened:
            ledger.close()
