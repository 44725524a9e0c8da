"""What every checker must do: ``moderation/base.py`` says it, this suite holds a checker to that.

Use: star-import the tests and give the fixture ``case``, a :class:`CheckerCase`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from mintmark.errors import InvalidInput, ProviderError
from mintmark.moderation.base import Checker, JsonClient, Scores, rule_id

CANARY = "zxqvwmintcanary"


@dataclass
class CheckerCase:
    """One checker under test."""

    checker: Any
    """Its class."""
    client: JsonClient
    """A client to a server that speaks the wire of its service, whichever that is."""
    break_with: Callable[[int, Any], None]
    """From now on the service answers this status and this body."""
    asked_for: list[str] = field(default_factory=list)
    """The services that a client was asked for."""

    def connect(self, name: str) -> JsonClient:
        self.asked_for.append(name)
        return self.client

    @property
    def opened(self) -> Checker:
        checker: Checker = self.checker.open(self.connect)
        return checker


@pytest.fixture
def png() -> bytes:
    file = BytesIO()
    Image.new("RGB", (8, 8), (20, 120, 90)).save(file, "PNG")
    return file.getvalue()


async def asked(case: CheckerCase, png: bytes) -> list[Scores]:
    """What it says of everything that it can judge."""
    checker = case.opened
    found = []
    if "prompt" in checker.subjects:
        found.append(await checker.check_text(f"a quiet harbour {CANARY}", f"blurry {CANARY}"))
    if "image" in checker.subjects:
        found.append(await checker.check_image(png, "image/png"))
    return found


def test_it_says_who_it_is_and_what_it_can_judge(case: CheckerCase) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", case.checker.name)
    assert case.checker.subjects
    assert case.checker.subjects <= {"prompt", "image"}
    assert rule_id(case.checker.name, "sexual/minors") == f"{case.checker.name}/sexual_minors"


def test_it_is_there_only_where_what_it_needs_is_there(case: CheckerCase) -> None:
    without = case.checker.open(lambda name: None)
    assert (without is not None) == case.checker.local
    assert isinstance(case.opened, case.checker)
    assert bool(case.asked_for) == (not case.checker.local)


async def test_it_scores_what_it_can_judge_and_names_its_model(case: CheckerCase, png: bytes) -> None:
    answers = await asked(case, png)
    assert answers
    for scores in answers:
        assert all(math.isfinite(score) and 0 <= score <= 1 for score in scores.scores.values())
        assert scores.model
        assert scores.rules.keys() <= scores.scores.keys()


async def test_the_same_question_has_the_same_answer_also_among_many_at_once(case: CheckerCase, png: bytes) -> None:
    alone = await asked(case, png)
    assert await asyncio.gather(*(asked(case, png) for _ in range(8))) == [alone] * 8


async def test_without_words_there_is_nothing_to_score(case: CheckerCase) -> None:
    if "prompt" in case.checker.subjects:
        assert (await case.opened.check_text(" \n")).scores == {}


async def test_what_it_cannot_judge_is_refused(case: CheckerCase, png: bytes) -> None:
    with pytest.raises(InvalidInput):
        await case.opened.check_image(b"%PDF-1.7", "application/pdf")
    if "image" not in case.checker.subjects:
        with pytest.raises(InvalidInput):
            await case.opened.check_image(png, "image/png")


@pytest.mark.parametrize(
    ("status", "body"), [(500, {}), (401, {}), (200, {"model": "m", "results": []}), (200, ["nonsense"])]
)
async def test_a_service_that_fails_or_talks_nonsense_is_a_provider_s_error(
    case: CheckerCase, png: bytes, status: int, body: Any
) -> None:
    case.break_with(status, body)
    if case.checker.local:
        assert await asked(case, png)
        return
    with pytest.raises(ProviderError):
        await asked(case, png)


async def test_it_keeps_and_logs_nothing_of_what_it_was_shown(
    case: CheckerCase, png: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="mintmark")
    checker = case.opened
    answers = await asked(case, png)
    case.break_with(500, {})
    if not checker.local:
        with pytest.raises(ProviderError) as caught:
            await asked(case, png)
        assert CANARY not in f"{caught.value!r} {caught.value}"
    assert CANARY not in caplog.text
    kept = [value for value in vars(checker).values() if value is not case.client]
    assert CANARY not in f"{answers!r} {kept!r}"
