"""Whose job is next."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from mintmark.orchestrator.jobs.queueing import AGE_S, queue_id, rank, turn

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=timezone.utc)
priorities = st.integers(-100, 100)


@given(priorities, priorities)
def test_of_two_that_came_at_once_the_one_of_higher_priority_is_first(one: int, other: int) -> None:
    assert (rank(NOON, one) < rank(NOON, other)) == (one > other)


@given(priorities, priorities)
def test_who_waited_longer_than_a_priority_is_worth_is_first(one: int, other: int) -> None:
    later = NOON + timedelta(seconds=AGE_S * max(0, other - one), milliseconds=1)
    assert rank(NOON, one) < rank(later, other)


def test_a_rank_is_in_milliseconds() -> None:
    assert rank(NOON + timedelta(milliseconds=7), 0) - rank(NOON, 0) == 7


def test_each_key_has_a_queue_in_each_lane_and_those_without_one_share_theirs() -> None:
    names = [queue_id(lane, key) for lane in ("hosted", "gpu") for key in (None, "a", "b")]
    assert len(set(names)) == 6


def test_no_turn_is_taken_in_the_past() -> None:
    assert (turn(3, 7), turn(9, 7)) == (7, 9)
