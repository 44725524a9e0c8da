"""The stand-in for Google against its documentation: both doors, every refusal, and blocks that come as a 200."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from .conftest import Probe, pixels_of, png_of

KEY = {"x-goog-api-key": "test-key"}
TOKEN = {"Authorization": "Bearer ya29.test"}
FLASH, PRO, OLD, IMAGEN = (
    *("gemini-3.1-flash-image", "gemini-3-pro-image"),
    *("gemini-2.5-flash-image", "imagen-4.0-generate-001"),
)
PROJECT = "/v1beta1/projects/p/locations/global/publishers/google"
SMALL = {"imageConfig": {"imageSize": "512"}}


async def ask(
    probe: Probe, body: Any, model: str = FLASH, method: str = "generateContent", *, door: str = "/v1beta", **more: Any
) -> tuple[int, Any]:
    path = f"/google{door}/models/{model}:{method}"
    return await probe.send("POST", path, json=body, headers=more.get("headers", KEY))


def content(text: str = "a boat", *images: bytes, role: str | None = "user", **more: Any) -> dict[str, Any]:
    inline = [{"inlineData": {"mimeType": "image/png", "data": base64.b64encode(data).decode()}} for data in images]
    said = {"role": role, "parts": [{"text": text}, *inline]}
    return {"contents": [{name: value for name, value in said.items() if value}], "generationConfig": SMALL, **more}


def image_of(answer: Any) -> bytes:
    parts = answer["candidates"][0]["content"]["parts"]
    return base64.b64decode(next(part for part in parts if "inlineData" in part)["inlineData"]["data"])


async def test_an_image_comes_with_words_tokens_and_an_id(probe: Probe) -> None:
    status, answer = await ask(probe, content())
    assert status == 200
    assert answer["candidates"][0]["finishReason"] == "STOP"
    assert pixels_of(image_of(answer)).shape == (512, 512, 3)
    usage = answer["usageMetadata"]
    assert usage["candidatesTokensDetails"] == [{"modality": "IMAGE", "tokenCount": 747}]
    parts = (usage["promptTokenCount"], usage["candidatesTokenCount"], usage["thoughtsTokenCount"])
    assert usage["totalTokenCount"] == sum(parts)
    bill = await probe.bill()
    (line,) = bill["lines"]
    assert line["request_id"] == answer["responseId"]
    assert line["microusd"] == round(2 * 0.5 + 747 * 60 + (6 + 90) * 3)


@pytest.mark.parametrize(
    ("model", "ratio", "size", "made"),
    [
        (FLASH, "21:9", "512", (792, 336)),
        (FLASH, "1:8", "512", (192, 1536)),
        (PRO, "16:9", "1K", (1376, 768)),
        (OLD, "9:16", None, (768, 1344)),
    ],
)
async def test_each_ratio_and_size_has_its_pixels(
    probe: Probe, model: str, ratio: str, size: str | None, made: tuple[int, int]
) -> None:
    config = {"aspectRatio": ratio, **({"imageSize": size} if size else {})}
    status, answer = await ask(probe, content(generationConfig={"imageConfig": config}), model)
    assert status == 200, answer
    assert pixels_of(image_of(answer)).shape[:2] == made[::-1]


async def test_names_are_taken_in_either_case_and_bytes_in_either_alphabet(probe: Probe) -> None:
    data = base64.urlsafe_b64encode(png_of((251, 239, 255), (160, 90))).decode().rstrip("=")
    body = {
        "contents": {"parts": [{"text": "a boat"}, {"inline_data": {"mime_type": "image/png", "data": data}}]},
        "generation_config": {"image_config": {"image_size": "512"}, "response_modalities": ["IMAGE"]},
    }
    status, answer = await ask(probe, body)
    assert status == 200, answer
    assert pixels_of(image_of(answer)).shape[:2] == (384, 688)


async def test_the_same_seed_draws_the_same(probe: Probe) -> None:
    async def drawn(seed: int) -> bytes:
        return image_of((await ask(probe, content(generationConfig={**SMALL, "seed": seed})))[1])

    assert await drawn(5) == await drawn(5) != await drawn(6)


# -- who asks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("door", "headers", "status", "word"),
    [
        ("/v1beta", {}, 403, "PERMISSION_DENIED"),
        ("/v1beta", {"x-goog-api-key": "bad-key"}, 400, "INVALID_ARGUMENT"),
        ("/v1beta", TOKEN, 401, "UNAUTHENTICATED"),
        (PROJECT, {"Authorization": "Bearer bad-token"}, 401, "UNAUTHENTICATED"),
        (PROJECT, {"Authorization": "Basic eA=="}, 401, "UNAUTHENTICATED"),
    ],
)
async def test_a_stranger_is_refused_in_google_s_shape(
    probe: Probe, door: str, headers: dict[str, str], status: int, word: str
) -> None:
    found, answer = await ask(probe, content(), door=door, headers=headers)
    assert (found, answer["error"]["code"], answer["error"]["status"]) == (status, status, word)
    if "bad-key" in headers.values():
        assert answer["error"]["details"][0]["reason"] == "API_KEY_INVALID"
    assert (await probe.bill())["lines"] == []


@pytest.mark.parametrize(
    ("door", "headers"),
    [("/v1", KEY), (PROJECT, TOKEN), (PROJECT.replace("v1beta1", "v1"), TOKEN), ("/v1/publishers/google", KEY)],
)
async def test_both_doors_lead_to_the_same_models(probe: Probe, door: str, headers: dict[str, str]) -> None:
    status, answer = await ask(probe, content(), door=door, headers=headers)
    assert status == 200, answer
    assert ("safetyRatings" in answer["candidates"][0]) is ("publishers" in door)


async def test_an_assertion_gets_a_token(probe: Probe) -> None:
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "x.y.z"}
    status, answer = await probe.send("POST", "/google/oauth2/token", data=form)
    assert (status, answer["token_type"], answer["expires_in"]) == (200, "Bearer", 3600)
    status, answer = await probe.send("POST", "/google/oauth2/token", data={"grant_type": "x"})
    assert (status, answer["error"]) == (400, "invalid_grant")


# -- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "contents is not specified"),
        ([], "Invalid value"),
        ({"contents": [{"parts": []}]}, "text parameter"),
        ({"contents": [{"role": "system", "parts": [{"text": "x"}]}]}, "valid role"),
        (content(colour="red"), 'Unknown name "colour"'),
        (content(generationConfig={"imageConfig": {"aspectRatio": "5:1"}}), "aspect_ratio must be one of"),
        (content(generationConfig={"imageConfig": {"imageSize": "1k"}}), "image_size"),
        (content(generationConfig={"imageConfig": {"personGeneration": "ALLOW_ALL"}}), "personGeneration"),
        (content(generationConfig={"candidateCount": 2}), "Multiple candidates"),
        (content(generationConfig={"responseModalities": ["TEXT"]}), "response_modalities"),
        (content(generationConfig={"seed": -1}), "TYPE_INT32"),
        (content(generationConfig={"seed": 2**31}), "TYPE_INT32"),
        (content(safetySettings=[{"category": "RUDE", "threshold": "OFF"}]), "safety_settings[0].category"),
        (content(safetySettings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": 3}]), "threshold"),
        (content("x", b"no image"), "Unable to process input image"),
        (content("x", *[png_of()] * 15), "at most 14"),
    ],
)
async def test_a_bad_request_is_told_by_what_is_wrong(probe: Probe, body: Any, named: str) -> None:
    status, answer = await ask(probe, body)
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert named in answer["error"]["message"]
    assert (await probe.bill())["lines"] == []


@pytest.mark.parametrize(
    ("door", "model", "method"),
    [
        ("/v1beta", "gemini-3-pro-image-preview", "generateContent"),
        ("/v1beta", IMAGEN, "generateContent"),
        ("/v1beta", FLASH, "predict"),
        (PROJECT, "nano", "generateContent"),
        (PROJECT.replace("global", "europe-west4"), FLASH, "generateContent"),
    ],
)
async def test_a_model_that_is_not_there_is_named(probe: Probe, door: str, model: str, method: str) -> None:
    status, answer = await ask(probe, content(), model, method, door=door)
    assert (status, answer["error"]["status"]) == (404, "NOT_FOUND")
    assert model in answer["error"]["message"]


async def test_a_rate_limit_says_in_its_body_when_to_come_back(probe: Probe) -> None:
    await probe.fail({"provider": "google", "kind": "status", "status": 429, "retry_after": 12.5})
    async with probe.session.post(
        f"{probe.url}/google/v1beta/models/{FLASH}:generateContent", json=content(), headers=KEY
    ) as reply:
        assert (reply.status, reply.headers.get("Retry-After")) == (429, None)
        quota, wait = (await reply.json())["error"]["details"]
    assert quota["violations"][0]["quotaValue"] == "10"
    assert wait == {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12.5s"}


# -- blocks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "images", "reason"),
    [
        ("gore", [], "SAFETY"),
        ("underage nude", [], "PROHIBITED_CONTENT"),
        ("a boat", [png_of((255, 0, 0))], "IMAGE_SAFETY"),
    ],
)
async def test_a_prompt_that_is_blocked_is_a_200_without_candidates(
    probe: Probe, text: str, images: list[bytes], reason: str
) -> None:
    status, answer = await ask(probe, content(text, *images))
    assert (status, answer["promptFeedback"]) == (200, {"blockReason": reason})
    assert "candidates" not in answer
    assert "candidatesTokenCount" not in answer["usageMetadata"]
    _, vertex = await ask(probe, content(text, *images), door=PROJECT, headers=TOKEN)
    assert vertex["promptFeedback"]["blockReasonMessage"]
    assert (await probe.bill())["lines"] == []
    assert {call["outcome"] for call in await probe.calls()} == {"blocked"}


async def test_filters_that_are_off_let_all_through_but_one(probe: Probe) -> None:
    off = [{"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "threshold": "OFF"}]
    assert "candidates" in (await ask(probe, content("gore", safetySettings=off)))[1]
    assert "candidates" not in (await ask(probe, content("underage nude", safetySettings=off)))[1]


async def test_an_image_that_is_withheld_says_why_and_is_not_billed(probe: Probe) -> None:
    await probe.fail({"provider": "google", "kind": "policy_output"})
    status, answer = await ask(probe, content())
    (candidate,) = answer["candidates"]
    assert (status, candidate["finishReason"]) == (200, "IMAGE_SAFETY")
    assert "You will not be charged" in candidate["finishMessage"]
    assert "content" not in candidate
    assert (await probe.bill())["lines"] == []


async def test_words_alone_are_an_answer_and_billed(probe: Probe) -> None:
    _, answer = await ask(probe, content("a boat, in words only"))
    (candidate,) = answer["candidates"]
    assert (candidate["finishReason"], list(candidate["content"]["parts"][0])) == ("STOP", ["text"])
    (line,) = (await probe.bill())["lines"]
    assert (line["images"], line["microusd"]) == (0, round(6 * 0.5 + (6 + 90) * 3))


# -- Imagen, models, Vision ---------------------------------------------------------------------------------------


async def test_imagen_predicts_several_and_bills_each(probe: Probe) -> None:
    body = {"instances": [{"prompt": "a boat"}], "parameters": {"sampleCount": 2, "aspectRatio": "9:16"}}
    status, answer = await ask(probe, body, IMAGEN, "predict", door=PROJECT, headers=TOKEN)
    assert (status, len(answer["predictions"])) == (200, 2)
    data = base64.b64decode(answer["predictions"][0]["bytesBase64Encoded"])
    assert pixels_of(data).shape[:2] == (1408, 768)
    (line,) = (await probe.bill())["lines"]
    assert (line["images"], line["microusd"]) == (2, 80_000)


@pytest.mark.parametrize(
    ("parameters", "named", "door"),
    [
        ({"sampleCount": 5}, "sampleCount", PROJECT),
        ({"aspectRatio": "2:3"}, "aspectRatio", PROJECT),
        ({"sampleImageSize": "4K"}, "sampleImageSize", PROJECT),
        ({"seed": 3}, "watermark", PROJECT),
        ({"negativePrompt": "fog"}, "negativePrompt", "/v1beta"),
    ],
)
async def test_imagen_refuses_what_it_does_not_take(
    probe: Probe, parameters: dict[str, Any], named: str, door: str
) -> None:
    body = {"instances": [{"prompt": "a boat"}], "parameters": parameters}
    status, answer = await ask(probe, body, IMAGEN, "predict", door=door)
    assert status == 400
    assert named in answer["error"]["message"]


async def test_imagen_filters_one_of_two_and_tells_why_where_it_is_asked(probe: Probe) -> None:
    for tells in (True, False):
        await probe.fail({"provider": "google", "kind": "policy_output"})
        parameters = {"sampleCount": 2, "includeRaiReason": tells}
        body = {"instances": [{"prompt": "a boat"}], "parameters": parameters}
        _, answer = await ask(probe, body, IMAGEN, "predict", door=PROJECT)
        assert ["raiFilteredReason" in each for each in answer["predictions"]] == ([True, False] if tells else [False])
    assert [line["images"] for line in (await probe.bill())["lines"]] == [1, 1]


async def test_the_live_models_are_listed(probe: Probe) -> None:
    names, page = [], "?pageSize=3"
    for _ in range(2):
        status, answer = await probe.send("GET", f"/google/v1beta/models{page}", headers=KEY)
        names += [row["name"] for row in answer["models"]]
        page = f"?pageSize=3&pageToken={answer.get('nextPageToken')}"
    assert (status, len(names), names[:2]) == (200, 4, [f"models/{FLASH}", f"models/{PRO}"])
    assert "nextPageToken" not in answer
    assert not any("imagen" in name or "preview" in name for name in names)
    assert (await probe.send("GET", f"/google/v1beta/models/{PRO}", headers=KEY))[1]["name"] == f"models/{PRO}"
    assert (await probe.send("GET", "/google/v1beta/models/x", headers=KEY))[0] == 404


def seen(data: bytes, feature: str = "SAFE_SEARCH_DETECTION") -> dict[str, Any]:
    return {"image": {"content": base64.b64encode(data).decode()}, "features": [{"type": feature}]}


async def test_vision_tells_each_image_s_likelihoods_or_what_is_wrong_with_it(probe: Probe) -> None:
    requests = [seen(png_of()), seen(png_of((255, 0, 0))), seen(b"text"), seen(png_of(), "FACE_DETECTION"), {}]
    path, body = "/google/vision/v1/images:annotate", {"requests": requests}
    status, answer = await probe.send("POST", path, json=body, headers=TOKEN)
    safe, harmful, broken, foreign, empty = answer["responses"]
    assert status == 200
    assert set(safe["safeSearchAnnotation"].values()) == {"VERY_UNLIKELY"}
    assert harmful["safeSearchAnnotation"]["violence"] == "VERY_LIKELY"
    assert broken["error"] == {"code": 3, "message": "Bad image data."}
    assert "error" in foreign
    assert "error" in empty
    assert (await probe.bill())["lines"] == []


@pytest.mark.parametrize("body", [[], {}, {"requests": []}, {"requests": [{}] * 17}])
async def test_vision_refuses_what_is_no_request(probe: Probe, body: Any) -> None:
    status, answer = await probe.send("POST", "/google/vision/v1/images:annotate", json=body, headers=KEY)
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
