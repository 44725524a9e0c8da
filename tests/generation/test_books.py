"""What a journal's entry means for a ledger."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from mintmark.generation.books import posting, postings
from mintmark.generation.call import Entry

NOW = datetime(2026, 11, 3, tzinfo=timezone.utc)
CALL = {"provider": "fal", "model": "fal/flux-schnell", "hold_microusd": 10}


def entry(kind: Any, call_id: str | None = "call", **data: Any) -> Entry:
    return Entry(seq=1, job_id="job", call_id=call_id, kind=kind, at=NOW, data={**CALL, **data})


def test_a_settlement_says_how_many_images_were_made_withheld_ones_too() -> None:
    result = {"images": [{"sha256": "a", "blocked": False}, {"sha256": None, "blocked": True}]}
    found = posting(entry("settled", microusd=7, request_id="r-1", result=result))
    assert found is not None
    assert (found.microusd, found.images, found.cached, found.request_id) == (7, 2, False, "r-1")


def test_a_cached_result_says_so() -> None:
    found = posting(entry("settled", microusd=0, request_id="r-1", result={"cached_of": "paid"}))
    assert found is not None
    assert (found.microusd, found.images, found.cached) == (0, 0, True)


@pytest.mark.parametrize(("kind", "microusd"), [("unknown", 10), ("released", 0)])
def test_doubts_count_with_their_hold_and_say_why(kind: str, microusd: int) -> None:
    found = posting(entry(kind, reason="the line broke"))
    assert found is not None
    assert (found.kind, found.microusd, found.reason) == (kind, microusd, "the line broke")


def test_other_facts_move_no_money() -> None:
    others = [entry(kind) for kind in ("held", "asking", "accepted", "stored", "verdict", "signed", "failed")]
    assert postings([*others, entry("settled", call_id=None, microusd=1)]) == []
