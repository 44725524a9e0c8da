"""What local work costs: worked numbers, and busy time that counts once."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.errors import InvalidInput
from mintmark.metering.local import BusyTime, charge, hour_microusd


def test_a_rented_hour_costs_what_it_costs() -> None:
    assert hour_microusd({"hour": 1.2}) == 1_200_000


def test_an_owned_hour_is_built_from_its_parts() -> None:
    """$30,000 over 36 months are $833.33 a month, half a day at $600 is $300; by 730 hours $1.5525; 0.7 kW at $0.15
    are $0.105."""
    parts = {"capital": 30_000, "months": 36, "watts": 700, "kwh": 0.15, "days": 0.5, "day_rate": 600}
    assert round(hour_microusd(parts)) == 1_657_511


@pytest.mark.parametrize("parts", [{"capital": 1}, {"months": 36}, {"hour": 1, "months": 36}, {"horses": 4}])
def test_an_hour_that_cannot_be_built_is_refused(parts: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match="MINTMARK_GPU_HOUR_USD"):
        hour_microusd(parts)


@pytest.mark.parametrize(
    ("seconds", "microusd"), [(3600, 1_200_000), (6, 2_000), (0.0015, 0), (0.003, 1), (0, 0), (-1, 0)]
)
def test_seconds_cost_their_part_of_the_hour(seconds: float, microusd: int) -> None:
    assert charge(seconds, Decimal(1_200_000)) == microusd


def test_time_that_overlaps_counts_once() -> None:
    busy = BusyTime()
    for told, node, at in [("begin", "a", 0), ("begin", "b", 1), ("begin", "a", 1.5), ("end", "a", 2), ("end", "b", 4)]:
        getattr(busy, told)(node, at)
    busy.begin("c", 10)
    busy.end_all(11)
    busy.end("c", 20)
    assert busy.seconds == 5


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc"), st.floats(0, 100)), max_size=30))
def test_it_is_never_more_than_the_time_that_passed(events: list[tuple[bool, str, float]]) -> None:
    busy = BusyTime()
    for begins, node, at in sorted(events, key=lambda each: each[2]):
        (busy.begin if begins else busy.end)(node, at)
    busy.end_all(100)
    assert 0 <= busy.seconds <= 100
