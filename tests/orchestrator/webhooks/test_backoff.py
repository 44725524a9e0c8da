"""When a delivery is tried again."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest

from mintmark.orchestrator.webhooks.backoff import next_try

START = datetime(2026, 11, 21, tzinfo=timezone.utc)


def tries(chance: float) -> list[float]:
    """Hours after the first try at which a receiver that never answers is tried."""
    at, found = START, [0.0]
    while (following := next_try(START, len(found), at, chance)) is not None:
        found.append((following - START) / timedelta(hours=1))
        at = following
    return found


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_it_is_tried_for_a_day_ever_more_seldom(chance: float) -> None:
    hours = tries(chance)
    assert hours[1] * 3600 == pytest.approx(5 * (0.75 + chance / 2))
    assert hours[-1] == 24
    waits = [after - before for before, after in pairwise(hours)]
    assert max(waits) <= 7.5
    assert waits[:7] == sorted(waits[:7])
    assert 11 <= len(hours) <= 14


def test_those_who_failed_together_come_back_apart() -> None:
    assert len({next_try(START, 3, START, chance / 10) for chance in range(11)}) == 11


def test_a_receiver_that_asks_for_time_gets_it_within_the_day() -> None:
    assert next_try(START, 1, START, 0.5, asked_s=600) == START + timedelta(seconds=600)
    assert next_try(START, 1, START, 0.5, asked_s=1) == START + timedelta(seconds=5)
    assert next_try(START, 1, START, 0.5, asked_s=90_000) == START + timedelta(hours=24)


def test_after_many_failures_it_still_can_be_said() -> None:
    assert next_try(START, 10_000, START, 0.5) == START + timedelta(hours=6)
