"""What counts as unknown when a worker's journal is gone: what was asked and not heard to end."""

from __future__ import annotations

import itertools
from datetime import datetime, timezone
from typing import Any

import pytest

from mintmark.generation.call import Entry
from mintmark.orchestrator.execution.hearsay import Hearsay

JOB = "11111111-2222-4333-8444-555555555555"


def entry(seq: int, kind: Any, call_id: str | None = "c", provider: str = "fal") -> Entry:
    data = {"hold_microusd": 4000, "provider": provider, "model": f"{provider}/x", "request_id": f"r{seq}"}
    at = datetime(2026, 5, 1, tzinfo=timezone.utc)
    return Entry(seq=seq, job_id=JOB, call_id=call_id, kind=kind, at=at, data=data)


def heard(*entries: Entry) -> list[tuple[str, int, str | None]]:
    hearsay = Hearsay()
    for each in entries:
        hearsay.take(each)
    return [(each.kind, each.microusd, each.request_id) for each in hearsay.doubtful()]


def test_a_call_that_was_asked_and_not_heard_to_end_is_unknown_with_its_whole_hold() -> None:
    assert heard(entry(1, "held"), entry(2, "asking")) == [("unknown", 4000, "r2")]
    assert heard(entry(2, "asking"), entry(3, "accepted")) == [("unknown", 4000, "r3")]


def test_what_the_worker_made_itself_ended_with_it_and_nobody_bills_it() -> None:
    assert heard(entry(1, "held", provider="local"), entry(2, "asking", provider="local")) == []


@pytest.mark.parametrize("end", ["settled", "released", "unknown"])
def test_a_call_that_was_heard_to_end_is_not_in_doubt_in_whatever_order_it_was_heard(end: str) -> None:
    for order in itertools.permutations([entry(1, "held"), entry(2, "asking"), entry(3, end), entry(3, end)]):
        assert heard(*order) == []


def test_what_was_only_held_or_moves_no_call_is_not_in_doubt() -> None:
    assert heard(entry(1, "held"), entry(2, "verdict", None), entry(3, "stored")) == []


def test_each_call_counts_for_itself() -> None:
    assert len(heard(entry(1, "asking", "a"), entry(2, "asking", "b"), entry(3, "settled", "b"))) == 1
