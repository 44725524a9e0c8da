"""Verdicts are facts: complete, comparable, and the same after a journey through JSON."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from mintmark.errors import InternalError
from mintmark.moderation.verdict import Verdict, carried, combine, image_digest, prompt_digest


@pytest.fixture
def verdict(noon: datetime) -> Any:
    def build(**changes: Any) -> Verdict:
        facts = {
            "decision": "allowed",
            "subject": "image",
            "digest": image_digest(b"pixels"),
            "checker": "openai",
            "policy": "standard@1.0.0",
            "explanation": "Nothing here.",
            "at": noon,
        }
        return Verdict.model_validate(facts | changes)

    return build


def test_a_verdict_survives_json(verdict: Any) -> None:
    one = verdict(decision="flagged", categories=("hate",), scores={"hate": 0.625}, rule="openai/hate")
    assert Verdict.model_validate_json(one.model_dump_json()) == one
    assert Verdict.model_validate(one.model_dump(mode="json")) == one


@pytest.mark.parametrize(
    "wrong",
    [
        {"decision": "maybe"},
        {"digest": "ABC"},
        {"scores": {"hate": 1.5}},
        {"at": datetime(2026, 1, 1)},  # noqa: DTZ001 - a naive time is what is refused
        {"text": "the prompt itself"},
    ],
)
def test_what_is_no_verdict_is_refused(verdict: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        verdict(**wrong)


def test_a_verdict_cannot_be_changed(verdict: Any) -> None:
    with pytest.raises(ValidationError):
        verdict().decision = "blocked"


def test_the_worst_decision_wins_and_keeps_its_reasons(verdict: Any, noon: datetime) -> None:
    mild = verdict(categories=("hate",), decision="flagged", scores={"hate": 0.5, "violence": 0.3})
    worst = verdict(decision="blocked", rule="openai/violence", categories=("violence",), scores={"violence": 0.9})
    late = verdict(checker="rules", at=noon + timedelta(minutes=1))
    both = combine([mild, worst, late])
    assert (both.decision, both.rule) == ("blocked", "openai/violence")
    assert both.categories == ("hate", "violence")
    assert both.scores == {"hate": 0.5, "violence": 0.9}
    assert both.checker == "openai+rules"
    assert both.at == late.at


def test_one_verdict_combined_is_itself(verdict: Any) -> None:
    assert combine([verdict()]) == verdict()


def test_the_digest_stays_where_all_agree_and_else_covers_all_in_order(verdict: Any) -> None:
    a, b = image_digest(b"a"), image_digest(b"b")
    assert combine([verdict(digest=a), verdict(digest=a)]).digest == a
    ab = combine([verdict(digest=a), verdict(digest=b)]).digest
    assert ab == hashlib.sha256(f"{a}\n{b}".encode()).hexdigest()
    assert ab != combine([verdict(digest=b), verdict(digest=a)]).digest


def test_a_checker_that_answered_hides_one_that_did_not(verdict: Any) -> None:
    assert combine([verdict(checker="none"), verdict(checker="openai")]).checker == "openai"
    assert combine([verdict(checker="none")]).checker == "none"


def test_nothing_cannot_be_combined() -> None:
    with pytest.raises(InternalError):
        combine([])


def test_a_prompts_digest_is_that_of_its_text_and_of_its_negative_where_there_is_one() -> None:
    assert prompt_digest("a fox") == hashlib.sha256(b"a fox").hexdigest()
    assert len({prompt_digest("a fox"), prompt_digest("a fox", "blur"), prompt_digest("a foxblur")}) == 3
    assert len(prompt_digest("\ud800")) == 64


@pytest.mark.parametrize(
    ("prompt", "image", "together"),
    [
        ("review", "allowed", "review"),
        ("blurred", "flagged", "blurred"),
        ("review", "blurred", "review"),
        ("blurred", "review", "review"),
        ("review", "blocked", "blocked"),
        ("flagged", "allowed", "allowed"),
    ],
)
def test_what_a_prompt_asks_of_its_image_is_done_where_it_is_worse(
    verdict: Any, prompt: str, image: str, together: str
) -> None:
    said = verdict(subject="prompt", decision=prompt, rule="rules/nudity", digest=prompt_digest("x"))
    seen = verdict(decision=image, rule="openai/violence")
    found = carried([said], seen)
    assert (found.decision, found.digest, found.subject) == (together, seen.digest, "image")
    assert (found.rule == "rules/nudity") == (together == prompt)


def test_another_images_verdict_asks_nothing(verdict: Any) -> None:
    assert carried([verdict(decision="review")], verdict()) == verdict()


def test_a_shadow_is_written_down_and_read_back(verdict: Any) -> None:
    one = verdict(shadow={"policy": "new@1.0.0", "decision": "blocked", "rule": "openai/hate"})
    assert Verdict.model_validate_json(one.model_dump_json()) == one
    assert "shadow" not in verdict().model_dump(mode="json")
