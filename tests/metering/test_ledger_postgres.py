"""The ledger in PostgreSQL keeps the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

import pytest

from mintmark.clock import utc_now
from mintmark.errors import BudgetExceeded
from mintmark.metering.ledger import Account, Limits
from mintmark.metering.postgres_ledger import PostgresLedger
from mintmark.storage.postgres_store import PostgresSession
from mintmark.tests.contracts.ledger import *  # noqa: F403 - the contract's tests are this file's
from mintmark.tests.contracts.ledger import NOW, Ledgers, posting
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


def test_money_that_moves_while_a_limit_is_looked_at_is_not_missed(
    ledgers: PostgresLedgers, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = ledgers.open(), ledgers.open()
    one.allow("a", 60, Account())
    run, moved = PostgresSession.run, []

    def interrupted(session: PostgresSession, sql: str, **values: object) -> list[object]:
        rows = run(session, sql, **values)
        if "FROM daily" in sql and not moved:
            moved.append(sql)
            other.post([posting("a", microusd=60)])
        return rows

    monkeypatch.setattr(PostgresSession, "run", interrupted)
    with pytest.raises(BudgetExceeded):
        one.allow("b", 60, Account(), call_id="b", limits=Limits(per_day_microusd=100), today=NOW.date())
    assert moved
