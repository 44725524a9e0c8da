"""How long to wait before asking again."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.providers.retry import Retries, retry_after

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 -0000"}, 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "never", "retry-after": "9"}, 9.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


def test_back_off_doubles_up_to_its_limit() -> None:
    retries = Retries(attempts=6, first_s=1, longest_s=4)
    assert [retries.pause(attempt, None, 1.0) for attempt in range(1, 7)] == [1, 2, 4, 4, 4, None]


@given(attempt=st.integers(1, 9), chance=st.floats(0, 1))
def test_jitter_is_full_so_any_wait_from_nothing_to_the_limit_can_come(attempt: int, chance: float) -> None:
    pause = Retries(attempts=10, first_s=0.5, longest_s=8).pause(attempt, None, chance)
    assert pause is not None
    assert 0 <= pause <= 8


def test_what_the_server_asks_for_is_waited_in_full() -> None:
    assert Retries(first_s=0.5).pause(1, 30.0, 0.0) == 30.0
    assert Retries(first_s=0.5).pause(1, 30.0, 1.0) == 30.5


def test_a_wait_longer_than_the_limit_is_not_waited_for_at_all() -> None:
    assert Retries(longest_asked_s=60).pause(1, 61.0, 0.0) is None
