"""The checker of Azure AI Content Safety: what it asks, what it makes of severities, and its client."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import pytest
from aiohttp import web
from PIL import Image

from mintmark.errors import BadAnswer, BadSetting, ProviderAuth, ProviderDown, ProviderError, RateLimited
from mintmark.moderation.base import Outcome
from mintmark.moderation.content_safety import MOST_CHARACTERS, SCORES, ContentSafetyChecker
from mintmark.moderation.decision import decide
from mintmark.moderation.policy import load
from mintmark.providers.azure_content_safety import content_safety_client
from mintmark.providers.http import HttpClient
from mintmark.providers.secret import Secret
from mintmark.tests.providers.conftest import FakeTime, client, picture, serving

from .conftest import NOON

KEY = "content-safety-key-0123456789"


class Service:
    """A client that remembers what it was asked and tells of these severities."""

    def __init__(self, *severities: dict[str, int], answer: Any = None) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._severities, self._answer = list(severities), answer

    async def post_json(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((path, body))
        if self._answer is not None:
            return self._answer  # type: ignore[no-any-return]
        told = self._severities.pop(0) if self._severities else {}
        return {
            "categoriesAnalysis": [{"category": name, "severity": one} for name, one in {"Hate": 0, **told}.items()]
        }


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    async with client(FakeTime()) as made:
        yield made


async def test_a_prompt_is_asked_in_eight_levels_and_told_in_our_categories() -> None:
    service = Service({"Hate": 1, "SelfHarm": 3, "Sexual": 5, "Violence": 7})
    scores = await ContentSafetyChecker(service).check_text("a battle", "blurry")
    assert service.asked == [("text:analyze", {"text": "a battle", "outputType": "EightSeverityLevels"})]
    assert scores.scores == {"hate": 0.1, "self-harm": 0.4, "sexual": 0.8, "violence": 1.0}
    assert "2024-09-01" in scores.model


async def test_a_long_prompt_is_asked_in_pieces_that_overlap_and_the_worst_counts() -> None:
    service = Service({"Hate": 2}, {"Hate": 4, "Sexual": 1}, {"Hate": 0})
    text = "".join(chr(97 + index % 26) for index in range(25_000))
    scores = await ContentSafetyChecker(service).check_text(text)
    pieces = [body["text"] for _, body in service.asked]
    assert [len(piece) for piece in pieces] == [MOST_CHARACTERS, MOST_CHARACTERS, 25_000 - 2 * 9_800]
    assert pieces[0][-200:] == pieces[1][:200]
    assert pieces[0] + pieces[1][200:] + pieces[2][200:] == text
    assert scores.scores == {"hate": 0.7, "sexual": 0.1}


@pytest.mark.parametrize("length", [1, MOST_CHARACTERS - 100, MOST_CHARACTERS])
async def test_what_fits_is_asked_once(length: int) -> None:
    service = Service()
    await ContentSafetyChecker(service).check_text("x" * length)
    assert len(service.asked) == 1


async def test_an_image_is_asked_as_base64_in_four_levels() -> None:
    service, image = Service({"Violence": 6}), picture()
    scores = await ContentSafetyChecker(service).check_image(image.data, image.media_type)
    ((path, body),) = service.asked
    assert path == "image:analyze"
    assert body == {"image": {"content": base64.b64encode(image.data).decode()}, "outputType": "FourSeverityLevels"}
    assert scores.scores["violence"] == 0.95


async def test_an_image_that_is_too_small_or_too_large_is_sent_as_one_that_is_taken() -> None:
    for size in ((8, 8), (7300, 60)):
        service, image = Service(), picture(*size)
        await ContentSafetyChecker(service).check_image(image.data, image.media_type)
        sent = base64.b64decode(service.asked[0][1]["image"]["content"])
        with Image.open(BytesIO(sent)) as seen:
            assert 50 <= min(seen.size) <= max(seen.size) <= 7200


@pytest.mark.parametrize(("severity", "decision"), [(1, "allowed"), (3, "allowed"), (5, "flagged"), (7, "blocked")])
@pytest.mark.parametrize("category", ["Hate", "SelfHarm", "Sexual", "Violence"])
async def test_azure_s_low_passes_its_medium_is_flagged_and_its_high_is_blocked(
    category: str, severity: int, decision: str
) -> None:
    for one in (severity - 1, severity):
        scores = await ContentSafetyChecker(Service({category: one})).check_text("a prompt")
        verdict = decide(load("standard"), "prompt", "0" * 64, [Outcome("content-safety", scores)], NOON)
        assert verdict.decision == decision


def test_a_higher_severity_is_a_higher_score() -> None:
    assert list(SCORES) == sorted(set(SCORES))
    assert (SCORES[0], SCORES[-1], len(SCORES)) == (0.0, 1.0, 8)


@pytest.mark.parametrize(
    ("answer", "where"),
    [
        ({}, "categoriesAnalysis"),
        ({"categoriesAnalysis": []}, "categoriesAnalysis"),
        ({"categoriesAnalysis": [{"category": "Hate"}]}, "categoriesAnalysis.0.severity"),
        ({"categoriesAnalysis": [{"category": "Hate", "severity": 8}]}, "categoriesAnalysis.0.severity"),
        ({"categoriesAnalysis": [{"category": "Hate", "severity": "4"}]}, "categoriesAnalysis.0.severity"),
        ({"categoriesAnalysis": [{"category": "Hate", "severity": True}]}, "categoriesAnalysis.0.severity"),
    ],
)
async def test_a_malformed_answer_is_named(answer: Any, where: str) -> None:
    with pytest.raises(BadAnswer, match=where):
        await ContentSafetyChecker(Service(answer=answer)).check_text("a fox")


async def test_the_client_asks_by_the_documented_path_version_and_header(http: HttpClient) -> None:
    asked: list[web.Request] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request)
        return web.json_response({"categoriesAnalysis": []})

    async with serving(handler) as url:
        service = content_safety_client(http, key=Secret(KEY), options={"endpoint": f"{url}/"})
        assert await service.post_json("text:analyze", {"text": "a"}) == {"categoriesAnalysis": []}
    (request,) = asked
    assert str(request.rel_url) == "/contentsafety/text:analyze?api-version=2024-09-01"
    assert request.headers["Ocp-Apim-Subscription-Key"] == KEY
    assert "Authorization" not in request.headers


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"error": {"code": "401", "message": f"no {KEY}"}}, ProviderAuth),
        (400, {"error": {"code": "InvalidRequestBody", "message": "text"}}, ProviderError),
        (429, {"error": {"code": "TooManyRequests", "message": "rps"}}, RateLimited),
        (500, {"error": {"code": "InternalError", "message": "x"}}, ProviderDown),
        (200, "nonsense", BadAnswer),
    ],
)
async def test_a_failing_service_is_a_provider_s_error_and_never_charged(
    http: HttpClient, status: int, body: Any, kind: type[ProviderError]
) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    async with serving(handler) as url:
        with pytest.raises(kind) as told:
            await content_safety_client(http, key=Secret(KEY), base_url=url).post_json("text:analyze", {})
    assert told.value.charged == "no"
    assert told.value.provider == "content-safety"
    assert KEY not in f"{told.value!r} {told.value}"


async def test_without_an_endpoint_it_is_opened_and_told_only_when_it_is_asked(http: HttpClient) -> None:
    service = content_safety_client(http, key=Secret(KEY))
    with pytest.raises(BadSetting, match=r"content-safety\.endpoint") as told:
        await service.post_json("text:analyze", {})
    assert "AZURE_CONTENT_SAFETY_ENDPOINT" in told.value.hint
