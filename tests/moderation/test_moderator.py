"""The moderator: which checkers are asked, in what order, and what becomes of those that do not answer."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from typing import Any

import pytest

from mintmark.errors import InvalidInput, MissingKey, ModerationUnavailable
from mintmark.moderation.base import Checker, Connect, Scores
from mintmark.moderation.moderator import Moderator
from mintmark.moderation.normalize import MAX_CHARS
from mintmark.moderation.openai import OpenAIChecker
from mintmark.moderation.policy import Policy, load
from mintmark.moderation.verdict import image_digest, prompt_digest

from .conftest import Endpoint


class Meeting(Checker):
    """A checker that answers only once ``expected`` of its kind are being asked at the same time."""

    name = "meeting"
    subjects = frozenset({"prompt", "image"})

    @classmethod
    def open(cls, connect: Connect) -> None:
        """Tests make it themselves."""

    def __init__(self, expected: int) -> None:
        self._barrier: list[None] = []
        self._expected = expected
        self._all_here = asyncio.Event()

    async def check_text(self, text: str, negative: str = "") -> Scores:
        self._barrier.append(None)
        if len(self._barrier) == self._expected:
            self._all_here.set()
        await asyncio.wait_for(self._all_here.wait(), 60)
        return Scores(scores={"violence": 0.1})

    async def check_image(self, data: bytes, media_type: str) -> Scores:
        return await self.check_text("")


class WithoutKey(Meeting):
    name = "keyless"

    async def check_text(self, text: str, negative: str = "") -> Scores:
        raise MissingKey("No OpenAI key is set.", provider="openai")


def policy(**changes: Any) -> Policy:
    return Policy.model_validate({"name": "mine", "version": "1.0.0", "categories": {}, **changes})


@pytest.fixture
def moderator(endpoint: Endpoint, noon: datetime) -> Moderator:
    return Moderator(load("standard"), {"openai": OpenAIChecker(endpoint)}, lambda: noon)


async def test_a_harmless_prompt_is_allowed_by_rules_and_service(moderator: Moderator, noon: datetime) -> None:
    verdict = await moderator.prompt("a red fox", "blurry")
    assert (verdict.decision, verdict.rule, verdict.checker) == ("allowed", "none", "rules+openai")
    assert verdict.digest == prompt_digest("a red fox", "blurry")
    assert (verdict.subject, verdict.policy, verdict.at) == ("prompt", "standard@2.0.0", noon)


async def test_the_service_blocks_what_the_rules_let_through(moderator: Moderator, endpoint: Endpoint) -> None:
    endpoint.scores = {"violence": 0.97}
    verdict = await moderator.prompt("an unlisted euphemism")
    assert (verdict.decision, verdict.rule, verdict.categories) == ("blocked", "openai/violence", ("violence",))


async def test_what_the_rules_block_is_shown_to_no_service(moderator: Moderator, endpoint: Endpoint) -> None:
    verdict = await moderator.prompt("n4ked 12 year old")
    assert (verdict.decision, verdict.rule) == ("blocked", "rules/sexual_minors/en/minor+nudity")
    assert endpoint.asked == []


async def test_the_rules_are_there_though_nobody_passed_them(noon: datetime) -> None:
    verdict = await Moderator(policy(), {}, lambda: noon).prompt("naked child")
    assert verdict.rule == "rules/sexual_minors/en/minor+nudity"


async def test_an_image_is_judged_by_its_bytes(moderator: Moderator, endpoint: Endpoint) -> None:
    endpoint.scores = {"sexual": 0.6, "hate": 0.99}
    verdict = await moderator.image(b"pixels", "image/webp")
    assert (verdict.decision, verdict.rule, verdict.checker) == ("flagged", "openai/sexual", "openai")
    assert verdict.digest == image_digest(b"pixels")
    assert "hate" not in verdict.scores


async def test_without_a_service_prompts_pass_by_the_rules_and_images_are_flagged(noon: datetime) -> None:
    moderator = Moderator(load("standard"), {}, lambda: noon)
    assert (await moderator.prompt("a red fox")).decision == "allowed"
    assert (await moderator.image(b"pixels", "image/png")).rule == "image_unchecked"


async def test_a_missing_key_is_not_configured_and_no_failure(noon: datetime) -> None:
    checkers = {"keyless": WithoutKey(1)}
    moderator = Moderator(policy(prompt_checkers=["rules", "keyless"], image_checkers=["keyless"]), checkers)
    assert (await moderator.prompt("a red fox")).checker == "rules"
    assert (await moderator.image(b"pixels", "image/png")).rule == "image_unchecked"


async def test_a_service_that_fails_stops_the_prompt_and_flags_the_image(
    moderator: Moderator, endpoint: Endpoint
) -> None:
    endpoint.status = 500
    with pytest.raises(ModerationUnavailable, match="openai"):
        await moderator.prompt("a red fox")
    assert (await moderator.image(b"pixels", "image/png")).rule == "unavailable/openai"


async def test_a_nonsense_answer_is_a_failure_too(moderator: Moderator, endpoint: Endpoint) -> None:
    endpoint.answer = {"results": "none"}
    with pytest.raises(ModerationUnavailable):
        await moderator.prompt("a red fox")


async def test_services_are_asked_at_the_same_time() -> None:
    meeting = Meeting(2)
    moderator = Moderator(policy(prompt_checkers=["rules", "one", "two"]), {"one": meeting, "two": meeting})
    assert (await moderator.prompt("a red fox")).checker == "rules+one+two"


async def test_a_text_too_long_to_judge_is_the_callers_mistake(moderator: Moderator, endpoint: Endpoint) -> None:
    with pytest.raises(InvalidInput):
        await moderator.prompt("a" * (MAX_CHARS + 1))
    assert endpoint.asked == []


async def test_an_image_checker_asked_about_the_wrong_thing_does_not_settle_the_image(endpoint: Endpoint) -> None:
    """The word rules named for images count as not set up; the service still decides."""
    own = policy(image_checkers=["rules", "openai"], image_unchecked="block", categories={"sexual": {"flag_at": 0.5}})
    verdict = await Moderator(own, {"openai": OpenAIChecker(endpoint)}).image(b"pixels", "image/png")
    assert (verdict.decision, verdict.checker) == ("allowed", "openai")


async def test_the_log_holds_digests_and_never_the_text(
    moderator: Moderator, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="mintmark"):
        await moderator.prompt("a confidential nude marigold")
        endpoint.status = 500
        await moderator.image(b"pixels", "image/png")
    records = [record for record in caplog.records if record.name == "mintmark.moderation"]
    assert [record.__dict__["action"] for record in records] == ["moderated", "checker_failed", "moderated"]
    assert records[0].__dict__["digest"] == prompt_digest("a confidential nude marigold")
    assert not [record for record in records if "marigold" in str(record.__dict__)]
