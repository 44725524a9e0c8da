"""When to ask after a call again: by what the last ones took."""

from __future__ import annotations

from itertools import islice

import pytest

from mintmark.providers.pace import LONGEST_S, SOON_S, Pace


def first(pace: Pace, count: int, what: str | None = "a") -> list[float]:
    return list(islice(pace.pauses(what), count))


def test_without_knowledge_it_is_asked_soon_and_then_ever_less_often() -> None:
    pauses = first(Pace(), 12)
    assert pauses[:4] == [SOON_S, 0.1, pytest.approx(0.15), pytest.approx(0.225)]
    assert pauses[-1] == LONGEST_S


def test_what_took_two_seconds_is_not_asked_after_much_earlier() -> None:
    pace = Pace()
    pace.took("a", 2.0)
    assert first(pace, 3) == [pytest.approx(1.8), 0.1, pytest.approx(0.15)]
    assert first(pace, 2, "another") == [SOON_S, 0.1]


def test_a_call_of_unknown_age_is_asked_after_at_once() -> None:
    pace = Pace()
    pace.took("a", 2.0)
    assert first(pace, 2, None) == [0.0, 0.1]


def test_a_quicker_one_counts_at_once_and_a_slower_one_bit_by_bit() -> None:
    pace = Pace()
    for seconds in (4.0, 1.0):
        pace.took("a", seconds)
    assert first(pace, 1) == [pytest.approx(0.9)]
    pace.took("a", 4.0)
    assert first(pace, 1) == [pytest.approx(0.99)]


def test_what_is_over_in_no_time_is_asked_after_soon() -> None:
    pace = Pace()
    pace.took("a", 0.01)
    assert first(pace, 1) == [SOON_S]
