"""The OpenAI checker against a server on a real port that answers as the documentation says."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from mintmark.errors import BadAnswer, InvalidInput, ProviderDown
from mintmark.moderation.openai import OpenAIChecker

from .conftest import CATEGORIES, FROM_PIXELS, Endpoint

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


async def test_a_prompt_is_asked_as_text_and_scored_in_all_categories(endpoint: Endpoint) -> None:
    endpoint.scores = {"violence": 0.75}
    scores = await OpenAIChecker(endpoint).check_text("a battle", "blurry")
    assert endpoint.asked == [{"model": "omni-moderation-latest", "input": "a battle"}]
    assert scores.scores.keys() == set(CATEGORIES)
    assert scores.scores["violence"] == 0.75
    assert scores.model == "omni-moderation-2024-09-26"


async def test_an_image_is_asked_as_a_data_uri(endpoint: Endpoint) -> None:
    await OpenAIChecker(endpoint, model="omni-moderation-2024-09-26").check_image(PNG, "image/png")
    [body] = endpoint.asked
    [part] = body["input"]
    assert body["model"] == "omni-moderation-2024-09-26"
    assert part["type"] == "image_url"
    head, _, data = part["image_url"]["url"].partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(data) == PNG


async def test_only_what_is_scored_from_pixels_is_reported_of_an_image(endpoint: Endpoint) -> None:
    scores = await OpenAIChecker(endpoint).check_image(PNG, "image/png")
    assert scores.scores.keys() == FROM_PIXELS


def _answer(**result: Any) -> dict[str, Any]:
    return {"id": "modr-1", "model": "omni-moderation-latest", "results": [result]}


async def test_without_applied_types_the_documented_ones_hold(endpoint: Endpoint) -> None:
    endpoint.answer = _answer(category_scores={"hate": 0.9, "violence": 0.2, "illicit": None})
    assert (await OpenAIChecker(endpoint).check_image(PNG, "image/png")).scores == {"violence": 0.2}
    assert (await OpenAIChecker(endpoint).check_text("a fox")).scores == {"hate": 0.9, "violence": 0.2}


async def test_a_blank_prompt_is_not_asked_about(endpoint: Endpoint) -> None:
    assert (await OpenAIChecker(endpoint).check_text(" \n")).scores == {}
    assert endpoint.asked == []


@pytest.mark.parametrize(
    ("answer", "where"),
    [
        ({}, "model"),
        ({"model": "m", "results": []}, "results"),
        (_answer(), "category_scores"),
        (_answer(category_scores={"hate": 1.5}), "category_scores.hate"),
        (_answer(category_scores={"hate": "0.5"}), "category_scores.hate"),
        (_answer(category_scores={"hate": True}), "category_scores.hate"),
        (_answer(category_scores={"hate": 0.5}, category_applied_input_types={"hate": "text"}), "applied_input_types"),
        ({"model": 7, "results": [{"category_scores": {}}]}, "model"),
    ],
)
async def test_a_malformed_answer_is_named(endpoint: Endpoint, answer: Any, where: str) -> None:
    endpoint.answer = answer
    with pytest.raises(BadAnswer, match=where):
        await OpenAIChecker(endpoint).check_text("a fox")


async def test_a_failing_service_stays_its_own_error(endpoint: Endpoint) -> None:
    endpoint.status = 503
    with pytest.raises(ProviderDown):
        await OpenAIChecker(endpoint).check_text("a fox")


async def test_what_is_no_image_is_not_sent(endpoint: Endpoint) -> None:
    with pytest.raises(InvalidInput, match="video/mp4"):
        await OpenAIChecker(endpoint).check_image(b"", "video/mp4")
    assert endpoint.asked == []
