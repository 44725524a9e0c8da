"""64 processes on one budget, on both databases: never overspent, and nothing that fits is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mintmark.metering.budgets import Budget

from .crowd import PRICE, opened
from .postgres import database

PROCESSES, TRIES, FITS = 64, 6, 150
LIMIT = FITS * PRICE + PRICE // 2


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield str(tmp_path)
        return
    with database() as url:
        yield url


def crowd(place: str, comes_back: str) -> dict[str, int]:
    with closing(opened(place)) as ledger:
        ledger.set_budget(Budget("project", "crowd", "total", LIMIT))
        ledger.set_budget(Budget("overall", "", "month", LIMIT * 2))
    command = [sys.executable, "-m", "mintmark.tests.metering.crowd", place, str(PROCESSES), str(TRIES), comes_back]
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    lines = [json.loads(line) for line in told.splitlines()]
    assert len(lines) == PROCESSES
    return {key: sum(line[key] for line in lines) for key in lines[0]}


def test_a_crowd_takes_exactly_what_there_is(place: str) -> None:
    found = crowd(place, "no")
    assert (found["allowed"], found["refused"], found["wrong"]) == (FITS, PROCESSES * TRIES - FITS, 0)
    with closing(opened(place)) as ledger:
        assert ledger.totals().taken_microusd == FITS * PRICE
        assert ledger.problems() == []


def test_what_a_crowd_gives_back_others_get_and_no_refusal_is_wrong(place: str) -> None:
    found = crowd(place, "yes")
    assert found["allowed"] + found["refused"] == PROCESSES * TRIES
    assert found["allowed"] > FITS
    assert found["wrong"] == 0
    with closing(opened(place)) as ledger:
        totals = ledger.totals()
        assert totals.settled_microusd == totals.taken_microusd == found["spent"] <= LIMIT
        assert ledger.problems() == []
