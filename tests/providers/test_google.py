"""What is special about Google: two doors, sizes as ratios, tokens as charge, and blocks that come as a 200."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from typing import Any

import pytest
from aiohttp import web
from PIL import Image

from mintmark.errors import (
    BadAnswer,
    BadSetting,
    InvalidInput,
    ProviderAuth,
    ProviderBlocked,
    ProviderDown,
    ProviderError,
    ProviderRefused,
    RateLimited,
)
from mintmark.metering.prices import charge, quote
from mintmark.providers.base import Accepted, Answer, Prepared, Provider
from mintmark.providers.google import Google
from mintmark.providers.google_place import place_of
from mintmark.providers.http import HttpClient
from mintmark.providers.models import Catalog
from mintmark.providers.request import GenerationRequest, SourceImage
from mintmark.providers.secret import NO_KEY, Secret
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.provider import Truth, ignore
from mintmark.tests.providers.conftest import FakeTime, picture, serving

KEY = "google-key-0123456789"
FLASH, PRO, LITE, OLD = (
    *("google/gemini-3.1-flash-image", "google/gemini-3-pro-image"),
    *("google/gemini-3.1-flash-lite-image", "google/gemini-2.5-flash-image"),
)
IMAGEN = "google/imagen-4.0-generate-001"
PNG = picture().data
USAGE = {
    "promptTokenCount": 10,
    "candidatesTokenCount": 1125,
    "thoughtsTokenCount": 200,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}],
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
    "totalTokenCount": 1335,
}
PAID = round(10 * 0.5 + 1120 * 60 + 205 * 3)
"""Micro-dollars that USAGE costs with 3.1 Flash."""


@pytest.fixture
def google(sandbox: Sandbox, http: HttpClient) -> Google:
    return Google.open(http, key=Secret(KEY), sandbox_url=sandbox.url)


@pytest.fixture
def vertex(sandbox: Sandbox, http: HttpClient) -> Google:
    options = {"vertex": "true", "project": "a-project"}
    return Google.open(http, key=Secret(KEY), sandbox_url=sandbox.url, options=options)


def prepared(provider: Provider, name: str = FLASH, **asked: Any) -> Prepared:
    known = Catalog.load().find(name)
    assert known is not None
    given = {"task": "text-to-image", "prompt": "a boat", "model": name, **asked}
    return provider.prepare(known, GenerationRequest.model_validate(given))


async def told(
    http: HttpClient, *answers: Any, name: str = FLASH, accepted: list[Accepted] | None = None, **asked: Any
) -> Answer:
    """What the adapter makes of answers that stand here: JSON for a 200, or (status, JSON), the last one for ever."""
    left = list(answers)

    async def handler(_: web.Request) -> web.Response:
        answer = left.pop(0) if len(left) > 1 else left[0]
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        return web.Response(status=status, text=json.dumps(body), content_type="application/json")

    async def hear(one: Accepted) -> None:
        if accepted is not None:
            accepted.append(one)

    async with serving(handler) as url:
        provider = Google.open(http, key=Secret(KEY), base_url=url)
        return await provider.ask(prepared(provider, name, **asked), call_id="c", on_accepted=hear)


def image_part(data: bytes = PNG, **more: Any) -> dict[str, Any]:
    return {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(data).decode()}, **more}


def candidate(*parts: dict[str, Any], reason: str = "STOP", **more: Any) -> dict[str, Any]:
    return {"content": {"role": "model", "parts": list(parts)}, "finishReason": reason, "index": 0, **more}


def body(*candidates: dict[str, Any], usage: Any = USAGE, **more: Any) -> dict[str, Any]:
    found = {"candidates": list(candidates), "usageMetadata": usage, "responseId": "resp-1", **more}
    return {name: value for name, value in found.items() if value is not None}


def error(status: int, code: str, message: str = "no", *details: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return status, {"error": {"code": status, "status": code, "message": message, "details": list(details)}}


# -- where it is called -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "base_url", "options", "base"),
    [
        (KEY, None, {}, "https://generativelanguage.googleapis.com/v1beta"),
        (KEY, "https://gate.example", {}, "https://gate.example/v1beta"),
        (KEY, "https://gate.example/google/v1/", {}, "https://gate.example/google/v1"),
        (KEY, None, {"project": "p-1"}, "https://generativelanguage.googleapis.com/v1beta"),
        (KEY, None, {"vertex": "True"}, "https://aiplatform.googleapis.com/v1beta1/publishers/google"),
        (
            KEY,
            None,
            {"vertex": "1", "project": "p-1", "location": "europe-west4"},
            "https://europe-west4-aiplatform.googleapis.com/v1beta1/projects/p-1/locations/europe-west4/publishers/google",
        ),
        (
            "",
            None,
            {"project": "p-1"},
            "https://aiplatform.googleapis.com/v1beta1/projects/p-1/locations/global/publishers/google",
        ),
        (
            "",
            None,
            {"project": "example.com:p-1", "location": "eu"},
            "https://aiplatform.eu.rep.googleapis.com/v1beta1/projects/example.com:p-1/locations/eu/publishers/google",
        ),
        (
            "",
            "https://gate.example",
            {"project": "p-1"},
            "https://gate.example/v1beta1/projects/p-1/locations/global/publishers/google",
        ),
    ],
)
def test_a_key_goes_to_the_gemini_api_and_an_account_to_vertex(
    key: str, base_url: str | None, options: dict[str, str], base: str
) -> None:
    place = place_of(Secret(key) if key else NO_KEY, None, base_url, options)
    assert place.base == base
    assert place.vertex is ("publishers" in base)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, "GOOGLE_CLOUD_PROJECT"),
        ({"project": "a/../b"}, "google.project"),
        ({"project": "p-1", "location": "evil.example/#"}, "google.location"),
    ],
)
def test_a_project_that_is_missing_or_none_is_named(options: dict[str, str], named: str) -> None:
    with pytest.raises(BadSetting) as caught:
        place_of(NO_KEY, None, None, options)
    assert named in f"{caught.value} {caught.value.hint}"


async def test_an_account_is_never_shown_to_a_sandbox(sandbox: Sandbox, http: HttpClient, truth: Truth) -> None:
    provider = Google.open(http, key=NO_KEY, sandbox_url=sandbox.url, options={"project": "p-1"})
    with pytest.raises(ProviderAuth):
        await provider.ask(prepared(provider), call_id="c", on_accepted=ignore)
    (call,) = await truth.calls()
    assert "Authorization" not in call["headers"]


# -- what is asked ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [FLASH, PRO, LITE, OLD])
async def test_every_live_model_draws_and_edits(google: Google, truth: Truth, name: str) -> None:
    for asked in ({}, {"task": "edit", "images": (picture(128, 64),)}):
        ready = prepared(google, name, width=1376, height=768, **asked)
        answer = await google.ask(ready, call_id="c", on_accepted=ignore)
        with Image.open(BytesIO(await google.fetch(answer.images[0]))) as made:
            assert made.size == ((1344, 768) if name == OLD else (1376, 768))
        assert answer.model_version == name.partition("/")[2]
        assert ready.model.price is not None
        paid = charge(ready.model.price, answer.usage, ready.parameters)
        assert paid == (await truth.bill())[-1]["microusd"]
        assert paid <= quote(ready.model.price, ready.quantities, ready.parameters).at_most_microusd


async def test_an_edit_without_a_size_keeps_the_shape_of_its_image(google: Google) -> None:
    ready = prepared(google, task="edit", images=(picture(160, 90),), options={"image_size": "512"})
    assert "aspectRatio" not in ready.fields["generationConfig"]["imageConfig"]
    answer = await google.ask(ready, call_id="c", on_accepted=ignore)
    with Image.open(BytesIO(await google.fetch(answer.images[0]))) as made:
        assert made.size == (688, 384)


def test_a_size_is_told_as_a_ratio_and_what_google_calls_it_wins(google: Google) -> None:
    config = prepared(google, width=1024, height=4096).fields["generationConfig"]
    assert config["imageConfig"] == {"aspectRatio": "1:4", "imageSize": "1K"}
    own = prepared(google, width=64, height=64, options={"aspect_ratio": "21:9", "image_size": "4K"})
    assert own.fields["generationConfig"]["imageConfig"] == {"aspectRatio": "21:9", "imageSize": "4K"}
    assert own.ignored == ("width", "height")
    with pytest.raises(InvalidInput, match="ratio"):
        prepared(google, PRO, width=1024, height=4096)


@pytest.mark.parametrize(("size", "at_most"), [("512", 747), ("1K", 1120), ("2K", 1680), ("4K", 2520)])
def test_the_size_decides_what_is_set_aside(google: Google, size: str, at_most: int) -> None:
    ready = prepared(google, options={"image_size": size})
    assert ready.model.price is not None
    found = quote(ready.model.price, ready.quantities, ready.parameters)
    assert found.at_most_microusd == at_most * 60 + 4096 * 3 + round(len("a boat") * 0.5)


def test_what_only_vertex_takes_is_left_out_with_a_key_and_named(google: Google, vertex: Google) -> None:
    options = {
        "output_format": "jpeg",
        "output_compression": 80,
        "person_generation": "ALLOW_NONE",
        "prominent_people": "BLOCK_PROMINENT_PEOPLE",
    }
    ready = prepared(google, options=options)
    assert set(ready.ignored) == set(options)
    assert ready.fields["generationConfig"]["imageConfig"] == {"imageSize": "1K"}
    assert not set(options) & set(ready.parameters)
    assert prepared(vertex, options=options).fields["generationConfig"]["imageConfig"] == {
        "imageSize": "1K",
        "imageOutputOptions": {"mimeType": "image/jpeg", "compressionQuality": 80},
        "personGeneration": "ALLOW_NONE",
        "prominentPeople": "BLOCK_PROMINENT_PEOPLE",
    }


async def test_vertex_makes_the_format_that_is_asked_for(vertex: Google, truth: Truth) -> None:
    ready = prepared(vertex, options={"output_format": "jpeg", "image_size": "512"})
    answer = await vertex.ask(ready, call_id="c", on_accepted=ignore)
    assert answer.images[0].media_type == "image/jpeg"
    (call,) = await truth.calls()
    assert call["path"].startswith("/google/v1beta1/projects/a-project/locations/global/publishers/google/models/")


def test_too_many_or_too_large_images_are_refused_with_the_limit(google: Google) -> None:
    with pytest.raises(InvalidInput, match="14"):
        prepared(google, task="edit", images=(picture(),) * 15)
    with pytest.raises(InvalidInput, match="3 images"):
        prepared(google, OLD, task="edit", images=(picture(),) * 4)
    large = SourceImage(data=PNG + b"\0" * (7 * 2**20), media_type="image/png")
    with pytest.raises(InvalidInput, match=r"image 2 has 7\.0 MiB"):
        prepared(google, task="edit", images=(picture(), large))


async def test_the_same_seed_draws_the_same(google: Google) -> None:
    async def drawn(seed: int) -> bytes:
        ready = prepared(google, seed=seed, options={"image_size": "512"})
        answer = await google.ask(ready, call_id="c", on_accepted=ignore)
        return await google.fetch(answer.images[0])

    assert await drawn(7) == await drawn(7) != await drawn(8)


# -- what comes back ----------------------------------------------------------------------------------------------


async def test_tokens_become_the_charge_and_thoughts_are_text(http: HttpClient) -> None:
    heard: list[Accepted] = []
    parts = ({"text": "Here:"}, image_part())
    answer = await told(http, body(candidate(*parts), modelVersion="gemini-3.1-flash-image"), accepted=heard)
    usage = answer.usage
    assert (usage.text_tokens, usage.image_tokens, usage.output_tokens, usage.output_text_tokens) == (10, 0, 1120, 205)
    price = Catalog.load().known(FLASH).price
    assert price is not None
    assert charge(price, usage, {}) == PAID
    assert answer.charge_microusd is None
    assert [one.request_id for one in heard] == ["resp-1"] == [answer.request_id]


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"promptTokenCount": "many"},
        {"promptTokenCount": 3, "candidatesTokenCount": -1},
        {"promptTokenCount": 3},
    ],
)
async def test_without_a_count_the_call_is_settled_at_the_most_it_can_have_cost(http: HttpClient, usage: Any) -> None:
    answer = await told(http, body(candidate(image_part()), usage=usage))
    assert answer.charge_microusd == 1120 * 60 + 4096 * 3 + 3


async def test_tokens_that_are_not_told_apart_count_as_the_dearer(http: HttpClient) -> None:
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 1130}
    answer = await told(http, body(candidate(image_part()), usage=usage))
    assert (answer.usage.output_tokens, answer.usage.output_text_tokens) == (1130, 0)


async def test_drafts_of_a_thinking_model_are_no_results(http: HttpClient) -> None:
    draft = image_part(picture(color=(1, 2, 3)).data, thought=True)
    answer = await told(http, body(candidate(draft, {"text": "hm", "thought": True}, image_part())))
    assert [image.data for image in answer.images] == [PNG]


async def test_a_second_image_is_kept_too(http: HttpClient) -> None:
    answer = await told(http, body(candidate(image_part(), image_part())))
    assert (len(answer.images), answer.usage.images) == (2, 2)


@pytest.mark.parametrize(
    "part", [image_part(PNG[:-9]), image_part(b""), {"inlineData": {"data": "%%"}}, {"inlineData": 3}]
)
async def test_a_broken_image_is_never_handed_on(http: HttpClient, part: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer) as caught:
        await told(http, body(candidate(part)))
    assert (caught.value.charged, caught.value.microusd) == ("yes", PAID)


# -- blocks that come as a 200 ------------------------------------------------------------------------------------


PROMPT_REASONS = (
    *("SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "MODEL_ARMOR", "JAILBREAK"),
    "BLOCKED_REASON_UNSPECIFIED",
)
FINISH_REASONS = (
    *("SAFETY", "PROHIBITED_CONTENT", "SPII", "BLOCKLIST", "RECITATION", "LANGUAGE", "OTHER", "MODEL_ARMOR"),
    *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER", "NO_IMAGE", "ESCALATION"),
    "PUP_LIMITED_DISABLED",
)


@pytest.mark.parametrize("reason", PROMPT_REASONS)
async def test_a_blocked_prompt_never_reached_the_model_and_costs_nothing(http: HttpClient, reason: str) -> None:
    feedback = {
        "blockReason": reason,
        "blockReasonMessage": "Not this one.",
        "safetyRatings": [
            {"category": "HARM_CATEGORY_HARASSMENT", "probability": "NEGLIGIBLE"},
            {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True},
        ],
    }
    usage = {"promptTokenCount": 8, "totalTokenCount": 8}
    with pytest.raises(ProviderBlocked) as caught:
        await told(http, body(promptFeedback=feedback, usage=usage))
    assert f"{reason}: DANGEROUS_CONTENT: Not this one." in str(caught.value)
    assert (caught.value.charged, caught.value.status, caught.value.request_id) == ("no", 200, "resp-1")


@pytest.mark.parametrize("reason", FINISH_REASONS)
async def test_a_result_that_is_withheld_is_a_block_with_google_s_own_words(http: HttpClient, reason: str) -> None:
    usage = {"promptTokenCount": 10, "thoughtsTokenCount": 100, "totalTokenCount": 110}
    withheld = {"finishReason": reason, "finishMessage": "Try rephrasing the prompt.", "index": 0}
    with pytest.raises(ProviderBlocked) as caught:
        await told(http, body(withheld, usage=usage))
    assert f"{reason}: Try rephrasing the prompt." in str(caught.value)
    # What was read and thought is charged, as Google counted it.
    assert (caught.value.charged, caught.value.microusd) == ("yes", round(10 * 0.5 + 100 * 3))


async def test_a_block_that_says_it_is_free_is_free(http: HttpClient) -> None:
    words = "Unable to show the generated image. You will not be charged for this request."
    with pytest.raises(ProviderBlocked, match="Unable to show") as caught:
        await told(http, body({"finishReason": "IMAGE_SAFETY", "finishMessage": words}))
    assert (caught.value.charged, caught.value.microusd) == ("no", None)


@pytest.mark.parametrize("reason", ["STOP", "IMAGE_SAFETY"])
async def test_what_the_model_says_of_the_charge_is_no_word_of_google_s(http: HttpClient, reason: str) -> None:
    # Anybody's prompt can make it say so.
    answer = body(candidate({"text": "You will not be charged for this request."}, reason=reason))
    with pytest.raises(ProviderBlocked) as caught:
        await told(http, answer)
    assert caught.value.charged == "yes"
    assert caught.value.microusd


async def test_a_block_without_a_count_may_have_cost_something(http: HttpClient) -> None:
    with pytest.raises(ProviderBlocked) as caught:
        await told(http, body({"finishReason": "IMAGE_SAFETY"}, usage=None))
    assert (caught.value.charged, caught.value.microusd) == ("unknown", None)


async def test_words_in_place_of_an_image_are_a_refusal_and_charged(http: HttpClient) -> None:
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 30, "totalTokenCount": 40}
    with pytest.raises(ProviderBlocked, match="I'm just a language model") as caught:
        await told(http, body(candidate({"text": "I'm just a language model."}), usage=usage))
    assert (caught.value.charged, caught.value.microusd) == ("yes", round(10 * 0.5 + 30 * 3))


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (body(candidate(reason="MAX_TOKENS")), "MAX_TOKENS"),
        (body(candidate({"text": "{"}, reason="MALFORMED_RESPONSE", finishMessage="garbled")), "garbled"),
        (body(candidate()), "STOP"),
        (body(), "no reason"),
        ({}, "no reason"),
        ({"candidates": "?", "promptFeedback": 7, "usageMetadata": [1]}, "no reason"),
    ],
)
async def test_an_answer_that_gives_neither_image_nor_block_is_bad(
    http: HttpClient, answer: dict[str, Any], named: str
) -> None:
    with pytest.raises(BadAnswer, match=named) as caught:
        await told(http, answer)
    assert caught.value.charged == (
        "yes" if "usageMetadata" in answer and answer["usageMetadata"] == USAGE else "unknown"
    )


async def test_the_sandbox_s_judge_blocks_as_google_does(google: Google, truth: Truth) -> None:
    for prompt, word in (("gore", "SAFETY"), ("underage nude", "PROHIBITED_CONTENT")):
        with pytest.raises(ProviderBlocked, match=word):
            await google.ask(prepared(google, prompt=prompt), call_id="c", on_accepted=ignore)
    red = picture(color=(255, 0, 0))
    with pytest.raises(ProviderBlocked, match="IMAGE_SAFETY"):
        await google.ask(prepared(google, task="edit", images=(red,)), call_id="c", on_accepted=ignore)
    assert await truth.bill() == []
    with pytest.raises(ProviderBlocked, match="words only") as caught:
        await google.ask(prepared(google, prompt="a boat, in words only"), call_id="c", on_accepted=ignore)
    assert [caught.value.microusd] == [line["microusd"] for line in await truth.bill()]


async def test_the_threshold_reaches_google(google: Google) -> None:
    ready = prepared(google, prompt="gore", options={"safety_threshold": "OFF", "image_size": "512"})
    assert len((await google.ask(ready, call_id="c", on_accepted=ignore)).images) == 1


# -- refusals -----------------------------------------------------------------------------------------------------


INVALID_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
NO_BILLING = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "BILLING_DISABLED"}


@pytest.mark.parametrize(
    ("answer", "kind", "charged", "words"),
    [
        (error(400, "INVALID_ARGUMENT", "bad ratio"), ProviderRefused, "no", "bad ratio"),
        (error(400, "FAILED_PRECONDITION", "User location is not supported"), ProviderRefused, "no", "location"),
        (error(400, "INVALID_ARGUMENT", "Invalid API key: SECRET", INVALID_KEY), ProviderAuth, "no", "API_KEY_INVALID"),
        (error(401, "UNAUTHENTICATED"), ProviderAuth, "no", "UNAUTHENTICATED"),
        (error(403, "PERMISSION_DENIED"), ProviderAuth, "no", "PERMISSION_DENIED"),
        (error(403, "PERMISSION_DENIED", "x", NO_BILLING), ProviderAuth, "no", "lack of credit"),
        (error(404, "NOT_FOUND", "models/x is not found"), ProviderRefused, "no", "not found"),
        (error(429, "RESOURCE_EXHAUSTED", "Quota exceeded, limit: 0, model: x"), ProviderAuth, "no", "lack of credit"),
        (error(429, "RESOURCE_EXHAUSTED", "Quota exceeded, limit: 10"), RateLimited, "no", "limit: 10"),
        (error(499, "CANCELLED"), ProviderDown, "unknown", "499"),
        (error(500, "INTERNAL", "An internal error"), ProviderDown, "unknown", "internal"),
        (error(503, "UNAVAILABLE", "overloaded"), ProviderDown, "no", "overloaded"),
        (error(504, "DEADLINE_EXCEEDED"), ProviderDown, "unknown", "504"),
        ((502, ["what stands before it"]), ProviderDown, "unknown", "no reason given"),
    ],
)
async def test_a_refusal_says_what_is_wrong_and_what_it_cost(
    http: HttpClient, answer: Any, kind: type[ProviderError], charged: str, words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        await told(http, answer)
    assert type(caught.value) is kind
    assert (caught.value.charged, caught.value.status) == (charged, answer[0])
    assert "SECRET" not in str(caught.value)


async def test_the_wait_that_stands_in_the_body_is_waited(http: HttpClient, time: FakeTime) -> None:
    wait = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37.5s"}
    answer = await told(http, error(429, "RESOURCE_EXHAUSTED", "slow down", wait), body(candidate(image_part())))
    assert len(answer.images) == 1
    assert [round(pause) for pause in time.slept] == [38]


async def test_a_wait_that_is_too_long_is_told(http: HttpClient, time: FakeTime) -> None:
    wait = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "4000s"}
    with pytest.raises(RateLimited) as caught:
        await told(http, error(429, "RESOURCE_EXHAUSTED", "slow down", wait))
    assert (caught.value.retry_after, time.slept) == (4000.0, [])


async def test_a_wait_without_end_is_no_number_that_others_stumble_over(http: HttpClient, time: FakeTime) -> None:
    wait = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "9" * 400 + "s"}
    with pytest.raises(RateLimited) as caught:
        await told(http, *[error(429, "RESOURCE_EXHAUSTED", "slow down", wait)] * 3)
    assert caught.value.retry_after is None


# -- Imagen, for those who still have it --------------------------------------------------------------------------


async def test_imagen_makes_several_at_once_and_is_billed_by_the_image(vertex: Google, truth: Truth) -> None:
    asked = {"count": 3, "seed": 4, "negative_prompt": "fog", "width": 64, "height": 64}
    ready = prepared(vertex, IMAGEN, **asked)
    assert ready.ignored == ()
    answer = await vertex.ask(ready, call_id="c", on_accepted=ignore)
    assert (len(answer.images), answer.usage.images) == (3, 3)
    (line,) = await truth.bill()
    assert line["images"] == 3


async def test_with_a_key_imagen_takes_less_and_that_is_named(google: Google, truth: Truth) -> None:
    asked = {"seed": 4, "negative_prompt": "fog", "options": {"enhance_prompt": True}}
    ready = prepared(google, IMAGEN, **asked)
    assert set(ready.ignored) == {"seed", "negative_prompt", "enhance_prompt"}
    assert ready.seed is None
    assert len((await google.ask(ready, call_id="c", on_accepted=ignore)).images) == 1


async def test_images_that_imagen_filters_are_neither_delivered_nor_charged(vertex: Google, truth: Truth) -> None:
    await truth.fail({"provider": "google", "kind": "policy_output", "count": 1})
    answer = await vertex.ask(prepared(vertex, IMAGEN, count=2), call_id="c", on_accepted=ignore)
    assert (len(answer.images), answer.usage.images) == (1, 1)
    assert [line["images"] for line in await truth.bill()] == [1]


async def test_when_imagen_filters_all_of_them_it_is_a_block(vertex: Google, truth: Truth) -> None:
    await truth.fail({"provider": "google", "kind": "policy_output", "count": 1})
    with pytest.raises(ProviderBlocked, match="Support codes: 56562880") as caught:
        await vertex.ask(prepared(vertex, IMAGEN), call_id="c", on_accepted=ignore)
    assert caught.value.charged == "no"
    assert await truth.bill() == []


async def test_a_prompt_that_imagen_refuses_is_a_block(vertex: Google) -> None:
    with pytest.raises(ProviderBlocked, match="Support codes") as caught:
        await vertex.ask(prepared(vertex, IMAGEN, prompt="gore"), call_id="c", on_accepted=ignore)
    assert (caught.value.charged, caught.value.status) == ("no", 400)


@pytest.mark.parametrize("answer", [{}, {"predictions": []}, {"predictions": [{"safetyAttributes": {}}]}])
async def test_imagen_s_empty_answer_is_how_its_filter_takes_them_all(http: HttpClient, answer: Any) -> None:
    with pytest.raises(ProviderBlocked) as caught:
        await told(http, answer, name=IMAGEN)
    assert caught.value.charged == "no"


async def test_a_broken_image_of_imagen_is_never_handed_on(http: HttpClient) -> None:
    half = base64.b64encode(PNG[:40]).decode()
    with pytest.raises(BadAnswer):
        await told(http, {"predictions": [{"bytesBase64Encoded": half, "mimeType": "image/png"}]}, name=IMAGEN)
