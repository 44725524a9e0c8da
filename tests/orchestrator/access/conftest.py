"""The door on each kind of database, with a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mintmark.metering.ledger_sql import SqlLedger
from mintmark.orchestrator.access.access import Access
from mintmark.tests.orchestrator.databases import KINDS, Open, opened
from mintmark.tests.orchestrator.ticking import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Open]:
    with opened(request.param, tmp_path, clock) as found:
        yield found


@pytest.fixture
def ledger(place: Open) -> SqlLedger:
    return place()


def door(ledger: SqlLedger, clock: Clock) -> Access:
    """As the service opens it, without its side task: tests say when it is to write."""
    return Access(ledger.store, ledger=ledger, now=clock, ticks=clock.ticks)


@pytest.fixture
def access(ledger: SqlLedger, clock: Clock) -> Access:
    return door(ledger, clock)
