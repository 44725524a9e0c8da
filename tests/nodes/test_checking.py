"""Values that come over a link, past every widget's limits: refused by name before they decide anything."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pytest

from mintmark.errors import InvalidInput, OutputBlocked
from mintmark.moderation.verdict import Verdict
from mintmark.nodes.checking import number, one_of, whole
from mintmark.nodes.hiding import blurred
from mintmark.runner import surface

surface.install()

NONSENSE: list[Any] = [None, float("nan"), float("inf"), "3", [1], True, 10**5000, -1, np.zeros(2)]


@pytest.mark.parametrize("value", NONSENSE, ids=lambda value: str(type(value)))
def test_what_is_no_number_in_its_limits_is_refused_by_name(value: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^count: .* is not 1 to 10"):
        whole("count", value, 1, 10)
    with pytest.raises(InvalidInput, match=r"^weight: .* is not 0 to 1"):
        number("weight", value, 0.0, 1.0)
    with pytest.raises(InvalidInput, match=r"^by: .* is none"):
        one_of("by", value, ["a", "b"])


def test_numbers_of_other_peoples_nodes_are_taken() -> None:
    assert whole("count", np.int64(4), 1, 10) == whole("count", 4.0, 1, 10) == 4
    assert number("weight", np.float32(0.5), 0.0, 1.0) == 0.5
    with pytest.raises(InvalidInput):
        whole("count", 2.5, 1, 10)


def verdict(decision: Any, subject: Any = "image") -> Verdict:
    return Verdict(
        decision=decision,
        subject=subject,
        digest="0" * 64,
        checker="test",
        policy="standard",
        explanation="It was looked at.",
        at=datetime.now(timezone.utc),
    )


def actions(*verdicts: Verdict, on_flagged: Any = "pass", on_blocked: Any = "blur", images: int = 2) -> list[str]:
    from mintmark.nodes.moderation import _pass_or_stop

    return asyncio.run(_pass_or_stop(verdicts, on_flagged, on_blocked, images))


@pytest.mark.parametrize("action", ["pass", "Blur", "", None, ["stop"]])
def test_a_gate_that_is_told_no_action_it_knows_stays_shut(action: Any) -> None:
    with pytest.raises(InvalidInput, match="on_blocked"):
        actions(verdict("blocked"), verdict("allowed"), on_blocked=action)


@pytest.mark.parametrize("count", [1, 3])
def test_images_without_a_verdict_of_their_own_do_not_pass(count: int) -> None:
    with pytest.raises(InvalidInput, match=f"verdict: {count} for 2 images"):
        actions(*[verdict("allowed")] * count)


def test_a_prompts_verdict_is_about_all_images() -> None:
    assert actions(verdict("flagged", "prompt"), on_flagged="placeholder") == ["placeholder"] * 2


def test_what_is_stopped_is_told_before_anything_else() -> None:
    with pytest.raises(OutputBlocked):
        actions(verdict("blocked"), on_blocked="stop")


@pytest.mark.parametrize("shape", [(8, 8, 3), (16, 16, 4), (4, 20, 3), (1, 1, 3)])
def test_nothing_of_a_small_picture_is_left_to_see(shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(1).integers(0, 255, shape, dtype=np.uint8)
    hidden = blurred(picture)
    assert hidden.shape == picture.shape
    assert (hidden == hidden[0, 0]).all()


@pytest.mark.parametrize("amount", [1e-9, 1e-320, 4e-7])
def test_a_budget_next_to_nothing_is_not_no_budget(amount: float) -> None:
    from mintmark.nodes.money import limits_of

    assert limits_of(amount, 0.0).per_run_microusd == 1
    assert limits_of(0.0, amount).per_run_microusd is None


@pytest.mark.parametrize("model", [{}, {"model": None}, [1], 5])
def test_a_model_that_is_no_name_is_refused(model: Any) -> None:
    from mintmark.nodes.models import chosen

    with pytest.raises(InvalidInput, match="model"):
        chosen(model)
