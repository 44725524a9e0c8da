"""Cloud Vision's words as scores, over the sandbox's wire and against answers as the reference has them."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from PIL import Image

from mintmark.errors import BadAnswer, InvalidInput, ProviderAuth, ProviderDown, ProviderRefused, RateLimited
from mintmark.moderation.google_vision import CATEGORIES, SCORES, GoogleVisionChecker
from mintmark.moderation.policy import load
from mintmark.providers.google_account import KeyCaller
from mintmark.providers.google_vision import VisionClient, google_vision_client
from mintmark.providers.http import HttpClient
from mintmark.providers.secret import Secret
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.provider import Truth
from mintmark.tests.providers.conftest import FakeTime, client

from .conftest import Front

KEY = "vision-key-0123456789"


def picture(size: tuple[int, int] = (64, 64), color: tuple[int, int, int] = (20, 120, 90), kind: str = "PNG") -> bytes:
    file = BytesIO()
    Image.new("RGB", size, color).save(file, kind)
    return file.getvalue()


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
async def http(time: FakeTime) -> AsyncIterator[HttpClient]:
    async with client(time) as made:
        yield made


class Answers:
    """A client whose service says this, and which remembers what it was asked."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def post_json(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((path, body))
        found: dict[str, Any] = self.answer
        return found


def annotated(**likelihoods: str) -> dict[str, Any]:
    return {"responses": [{"safeSearchAnnotation": likelihoods}]}


async def test_each_kind_is_scored_by_its_word_and_what_is_unknown_is_left_out() -> None:
    words = {
        "adult": "LIKELY",
        "violence": "VERY_UNLIKELY",
        "racy": "POSSIBLE",
        "medical": "UNKNOWN",
        "spoof": "UNLIKELY",
    }
    service = Answers(annotated(**words))
    scores = await GoogleVisionChecker(service).check_image(picture(), "image/png")
    assert scores.scores == {"sexual": 0.75, "violence": 0.0, "racy": 0.5, "spoof": 0.2}
    assert scores.rules == {"sexual": "google-vision/adult"}
    ((path, body),) = service.asked
    (request,) = body["requests"]
    assert (path, request["features"]) == ("images:annotate", [{"type": "SAFE_SEARCH_DETECTION"}])
    assert base64.b64decode(request["image"]["content"]) == picture()


def test_the_standard_policy_means_what_the_words_say() -> None:
    policy = load("standard")
    for category in set(CATEGORIES.values()) & {"sexual", "violence"}:
        limits = policy.thresholds(category)
        assert limits.flag_at is not None
        assert limits.block_at is not None
        assert SCORES["UNLIKELY"] < limits.flag_at <= SCORES["LIKELY"] < limits.block_at <= SCORES["VERY_LIKELY"]


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ({}, "responses"),
        ({"responses": []}, "responses"),
        ({"responses": [{}]}, "neither"),
        (annotated(adult="RATHER"), "safeSearchAnnotation.adult"),
        ({"responses": [{"safeSearchAnnotation": {"adult": 4}}]}, "safeSearchAnnotation.adult"),
    ],
)
async def test_a_malformed_answer_is_named(answer: Any, named: str) -> None:
    with pytest.raises(BadAnswer, match=named):
        await GoogleVisionChecker(Answers(answer)).check_image(picture(), "image/png")


async def test_an_error_in_an_image_s_place_is_told() -> None:
    unreadable = {"responses": [{"error": {"code": 3, "message": "Bad image data."}}]}
    with pytest.raises(InvalidInput, match="cannot read"):
        await GoogleVisionChecker(Answers(unreadable)).check_image(picture(), "image/png")
    denied = {"responses": [{"error": {"code": 7, "message": "We are not allowed to."}}]}
    with pytest.raises(ProviderRefused, match="not allowed"):
        await GoogleVisionChecker(Answers(denied)).check_image(picture(), "image/png")


async def test_a_file_that_is_too_heavy_goes_as_a_smaller_one() -> None:
    service = Answers(annotated(adult="UNLIKELY"))
    heavy = picture((2400, 1200)) + b"\0" * (8 * 2**20)
    await GoogleVisionChecker(service).check_image(heavy, "image/png")
    sent = base64.b64decode(service.asked[0][1]["requests"][0]["image"]["content"])
    with Image.open(BytesIO(sent)) as judged:
        assert (judged.format, judged.size) == ("JPEG", (1600, 800))


async def test_a_text_is_not_for_it() -> None:
    with pytest.raises(InvalidInput, match="images"):
        await GoogleVisionChecker(Answers({})).check_text("a fox")


async def test_the_sandbox_s_judge_is_heard_and_the_key_goes_in_a_header(http: HttpClient) -> None:
    async with Sandbox(latency_s=0) as sandbox, aiohttp.ClientSession() as session:
        service = google_vision_client(http, key=Secret(KEY), sandbox_url=sandbox.url)
        checker = GoogleVisionChecker(service)
        safe = await checker.check_image(picture(), "image/png")
        harmful = await checker.check_image(picture(color=(255, 0, 0)), "image/png")
        calls = await Truth(sandbox.url, session).calls("moderation")
    assert safe.scores["violence"] == 0.0
    assert harmful.scores["violence"] == 0.95
    assert [call["path"] for call in calls] == ["/google/vision/v1/images:annotate"] * 2
    assert "x-goog-api-key" in calls[0]["headers"]
    assert KEY not in str(calls)


@pytest.mark.parametrize(
    ("status", "kind"), [(400, ProviderRefused), (403, ProviderAuth), (429, RateLimited), (503, ProviderDown)]
)
async def test_a_refusal_is_told_as_its_own_error_and_costs_nothing(
    http: HttpClient, front: Front, status: int, kind: type[Exception]
) -> None:
    front.answer(status, {"error": {"code": status, "status": "X", "message": "no"}})
    service = VisionClient(http, KeyCaller(Secret(KEY)), base_url=f"{front.url}/v1")
    with pytest.raises(kind, match="Cloud Vision") as caught:
        await service.post_json("images:annotate", {})
    assert (caught.value.charged, caught.value.provider) == ("no", "google-vision")  # type: ignore[attr-defined]


async def test_what_is_no_json_is_named(http: HttpClient, front: Front) -> None:
    front.answer(200, ["no object"])
    with pytest.raises(BadAnswer, match="no JSON"):
        await VisionClient(http, KeyCaller(Secret(KEY)), base_url=front.url).post_json("images:annotate", {})
