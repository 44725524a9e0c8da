from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mintmark.generation.rent_or_own import POLICIES, STAYS, Known, choose

HOUR = Decimal(1_200_000)


@pytest.mark.parametrize(
    ("policy", "known", "branch", "why"),
    [
        ("by hand", {"by_hand": "hosted"}, "hosted", "chosen on the node"),
        ("data must stay", {}, "local", "may not leave"),
        ("cheapest now", {"hosted_microusd": 30_000, "seconds": 6.0}, "local", "$0.002 for 6 s of the GPU is less"),
        ("cheapest now", {"hosted_microusd": 1_000, "seconds": 6.0}, "hosted", "$0.001 hosted is no more"),
        ("cheapest now", {"hosted_microusd": 2_000, "seconds": 6.0}, "hosted", "no more"),
        ("cheapest now", {"hosted_microusd": None, "seconds": 6.0}, "local", "not known"),
        ("shortest wait", {"waiting": 3, "most_waiting": 2}, "hosted", "3 prompts wait here, more than 2"),
        ("shortest wait", {"waiting": 1, "most_waiting": 1}, "local", "1 prompt waits here, no more than 1"),
        ("shortest wait", {"waiting": None}, "local", "not known"),
        ("local if it fits", {"lacking": ("the model x.safetensors",)}, "hosted", "lacking: the model x.safetensors"),
        ("local if it fits", {}, "local", "everything"),
    ],
)
def test_each_policy_takes_the_branch_that_its_inputs_say(
    policy: str, known: dict[str, Any], branch: str, why: str
) -> None:
    choice = choose(policy, Known(hour_microusd=HOUR, **known))
    assert (choice.branch, choice.policy) == (branch, policy)
    assert why in choice.reason


@pytest.mark.parametrize(
    ("volume", "price", "branch", "why"),
    [
        # The book's example: N* = 2000 / (0.03 - 1.20 / 600) = 71,429 images a month.
        (71_428, 30_000, "hosted", "71,428 images in 30 days are no more than the 71,429"),
        (71_430, 30_000, "local", "71,430 images in 30 days are more than the 71,429"),
        (10**9, 2_000, "hosted", "never gets cheaper"),
        (0, None, "hosted", "no image was hosted"),
        (None, None, "hosted", "no image was hosted"),
    ],
)
def test_the_break_even_is_the_ledgers(volume: int | None, price: int | None, branch: str, why: str) -> None:
    known = Known(
        volume=volume,
        price_microusd=None if price is None else Decimal(price),
        seconds=6.0,
        hour_microusd=HOUR,
        overhead_microusd=Decimal(2_000_000_000),
    )
    choice = choose("break-even", known)
    assert choice.branch == branch
    assert why in choice.reason


def test_data_that_must_stay_is_sent_out_by_no_order() -> None:
    assert choose(STAYS, Known(pinned="hosted")) == choose(STAYS, Known())
    assert choose(STAYS, Known(pinned="hosted")).branch == "local"


@pytest.mark.parametrize("policy", [each for each in POLICIES if each != STAYS])
def test_what_was_pinned_for_the_job_counts_before_any_other_policy(policy: str) -> None:
    for branch in ("local", "hosted"):
        choice = choose(policy, Known(pinned=branch))  # type: ignore[arg-type]
        assert choice.branch == branch
        assert "whoever submitted" in choice.reason
