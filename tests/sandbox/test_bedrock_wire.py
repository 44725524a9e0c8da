"""The sandbox's Bedrock as its documentation has it: who may ask, what it takes, how it blocks, what it bills."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from mintmark.sandbox.aws import ACCESS_KEY, SECRET_KEY, SESSION_KEY
from mintmark.sandbox.bedrock_models import MODELS

from .conftest import Probe, mask_of, pixels_of, png_of, white_mask_of

SD = "stability.sd3-5-large-v1:0"
NOVA = "amazon.nova-canvas-v1:0"
US = "us.stability.stable-"
BEARER = {"Authorization": "Bearer test-key"}


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def invoke(probe: Probe, model: str, body: Any, headers: Any = None) -> tuple[int, Any, Any]:
    """Status, JSON and headers of one call."""
    url = f"{probe.url}/bedrock/model/{model}/invoke"
    async with probe.session.post(url, json=body, headers=BEARER if headers is None else headers) as reply:
        return reply.status, await reply.json(), reply.headers


def signed(
    probe: Probe, body: bytes, *, key: str = ACCESS_KEY, secret: str = SECRET_KEY, at: datetime | None = None,
    service: str = "bedrock", token: str = "",
) -> dict[str, str]:  # fmt: skip
    """The signature by the recipe of the IAM user guide, for a POST of ``body`` to SD 3.5."""
    moment = (at or datetime.now(timezone.utc)).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/us-west-2/{service}/aws4_request"
    covered = {"content-type": "application/json", "host": probe.url.partition("//")[2], "x-amz-date": moment}
    if token:
        covered["x-amz-security-token"] = token
    names = ";".join(covered)
    lines = ["POST", f"/bedrock/model/{SD.replace(':', '%253A')}/invoke", ""]
    lines += [*(f"{name}:{value}" for name, value in covered.items()), "", names, hashlib.sha256(body).hexdigest()]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    derived = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        derived = hmac.new(derived, part.encode(), hashlib.sha256).digest()
    to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}"
    signature = hmac.new(derived, to_sign.encode(), hashlib.sha256).hexdigest()
    told = f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**covered, "authorization": told}


async def post(probe: Probe, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    """Status and error type of a call to SD 3.5."""
    from yarl import URL

    url = URL(f"{probe.url}/bedrock/model/{SD.replace(':', '%3A')}/invoke", encoded=True)
    async with probe.session.post(url, data=body, headers=headers) as reply:
        await reply.read()
        return reply.status, reply.headers.get("x-amzn-ErrorType", "")


BODY = json.dumps({"prompt": "a boat"}).encode()


async def test_a_signature_by_the_book_is_let_in(probe: Probe) -> None:
    assert await post(probe, BODY, signed(probe, BODY)) == (200, "")
    assert await post(probe, BODY, signed(probe, BODY, key=SESSION_KEY, token="a-token")) == (200, "")


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"secret": "another-secret"}, "InvalidSignatureException"),
        ({"key": "AKIANOBODY"}, "UnrecognizedClientException"),
        ({"key": SESSION_KEY}, "InvalidSignatureException"),
        ({"service": "s3"}, "InvalidSignatureException"),
        ({"at": datetime.now(timezone.utc) - timedelta(hours=1)}, "InvalidSignatureException"),
    ],
)
async def test_a_signature_that_is_wrong_is_refused(probe: Probe, wrong: dict[str, Any], error: str) -> None:
    assert await post(probe, BODY, signed(probe, BODY, **wrong)) == (403, error)
    assert (await probe.bill())["lines"] == []


async def test_a_signature_of_another_body_is_refused(probe: Probe) -> None:
    assert await post(probe, BODY + b" ", signed(probe, BODY)) == (403, "InvalidSignatureException")


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({}, "MissingAuthenticationTokenException"),
        ({"Authorization": "Bearer bad-key"}, "AccessDeniedException"),
        ({"Authorization": "Bearer  "}, "AccessDeniedException"),
        ({"Authorization": "AWS4-HMAC-SHA256 nonsense"}, "IncompleteSignatureException"),
    ],
)
async def test_who_brings_neither_key_nor_signature_is_refused(probe: Probe, headers: Any, error: str) -> None:
    status, body, told = await invoke(probe, SD, {"prompt": "a boat"}, headers)
    assert (status, told["x-amzn-ErrorType"]) == (403, error)
    assert body["message"]


async def test_a_picture_comes_with_its_seed_and_is_billed(probe: Probe) -> None:
    status, body, headers = await invoke(probe, SD, {"prompt": "a boat", "seed": 7})
    assert (status, body["seeds"], body["finish_reasons"]) == (200, [7], [None])
    assert pixels_of(base64.b64decode(body["images"][0])).shape == (1024, 1024, 3)
    (line,) = (await probe.bill())["lines"]
    assert (line["microusd"], line["model"], line["request_id"]) == (80_000, SD, headers["x-amzn-RequestId"])


async def test_the_same_request_is_the_same_picture(probe: Probe) -> None:
    first, second = [await invoke(probe, SD, {"prompt": "a boat"}) for _ in range(2)]
    assert first[1] == second[1]


@pytest.mark.parametrize(
    ("model", "body", "named"),
    [
        (SD, {}, "prompt"),
        (SD, {"prompt": "x", "width": 512}, "width"),
        (SD, {"prompt": "x", "seed": "7"}, "seed"),
        (SD, {"prompt": "x", "mode": "image-to-image"}, "strength"),
        (SD, {"prompt": "x", "image": "no base64!"}, "base64"),
        ("stability.stable-image-core-v1:1", {"prompt": "x", "output_format": "webp"}, "output_format"),
        ("stability.stable-image-ultra-v1:1", {"prompt": "x", "mode": "text-to-image"}, "mode"),
        (f"{US}image-inpaint-v1:0", {"prompt": "x", "image": text(png_of())}, "mask"),
        (f"{US}style-transfer-v1:0", {"init_image": text(png_of())}, "style_image"),
        ("stability.stable-image-inpaint-v1:0", {"prompt": "x"}, "model identifier"),
        (SD, [], "Malformed"),
        (NOVA, {"taskType": "PAINT"}, "taskType"),
        (NOVA, {"taskType": "TEXT_IMAGE"}, "textToImageParams"),
        (NOVA, {"taskType": "TEXT_IMAGE", "textToImageParams": {"text": "x" * 1025}}, "text"),
        (NOVA, {"taskType": "TEXT_IMAGE", "textToImageParams": {"text": "x"}, "seed": 1}, "seed"),
    ],
)
async def test_what_is_wrong_is_a_validation_exception_that_names_it(
    probe: Probe, model: str, body: Any, named: str
) -> None:
    status, told, headers = await invoke(probe, model, body)
    assert (status, headers["x-amzn-ErrorType"]) == (400, "ValidationException")
    assert named in told["message"]
    assert (await probe.bill())["lines"] == []


async def test_a_harmful_prompt_is_a_200_with_its_reason_only(probe: Probe) -> None:
    status, body, _ = await invoke(probe, SD, {"prompt": "gore"})
    assert (status, body) == (200, {"finish_reasons": ["Filter reason: prompt"]})
    assert (await probe.bill())["lines"] == []
    assert [call["outcome"] for call in await probe.calls()] == ["blocked"]


async def test_a_withheld_image_is_a_200_with_its_reason_only(probe: Probe) -> None:
    await probe.fail({"provider": "bedrock", "kind": "policy_output", "count": 1})
    _, body, _ = await invoke(probe, SD, {"prompt": "a boat"})
    assert body == {"finish_reasons": ["Filter reason: output image"]}


def nova(task: str, name: str, own: dict[str, Any], **shared: Any) -> dict[str, Any]:
    return {"taskType": task, name: own, "imageGenerationConfig": shared}


async def test_nova_gives_as_many_images_as_asked_and_tells_those_it_withholds(probe: Probe) -> None:
    asked = nova("TEXT_IMAGE", "textToImageParams", {"text": "a boat"}, numberOfImages=2, width=320, height=320)
    _, body, _ = await invoke(probe, NOVA, asked)
    assert (len(body["images"]), body["error"]) == (2, None)
    await probe.fail({"provider": "bedrock", "kind": "policy_output", "count": 2})
    _, body, _ = await invoke(probe, NOVA, asked)
    assert len(body["images"]) == 1
    assert body["error"].startswith("Some of the generated images")
    _, body, _ = await invoke(probe, NOVA, {**asked, "imageGenerationConfig": {"width": 320, "height": 320}})
    assert (body["images"], body["error"][:3]) == ([], "All")


@pytest.mark.parametrize(
    ("task", "name", "kept"),
    [("INPAINTING", "inPaintingParams", (300, 10)), ("OUTPAINTING", "outPaintingParams", (10, 10))],
)
async def test_nova_paints_black_inside_and_white_outside(
    probe: Probe, task: str, name: str, kept: tuple[int, int]
) -> None:
    # Left half black, right half white.
    mask = white_mask_of((320, 320), (160, 0, 320, 320))
    own = {"text": "sand", "image": text(png_of((40, 120, 200), (320, 320))), "maskImage": text(mask)}
    status, body, _ = await invoke(probe, NOVA, nova(task, name, own))
    assert status == 200, body
    made = pixels_of(base64.b64decode(body["images"][0]))
    assert tuple(made[kept[1], kept[0]]) == (40, 120, 200)
    assert abs(made[10, 310 - kept[0]] - (40, 120, 200)).sum() > 0


async def test_nova_takes_no_grey_in_a_mask(probe: Probe) -> None:
    grey = png_of((128, 128, 128), (320, 320))
    own = {"image": text(png_of(size=(320, 320))), "maskImage": text(grey)}
    status, told, _ = await invoke(probe, NOVA, nova("INPAINTING", "inPaintingParams", own))
    assert status == 400
    assert "pure black" in told["message"]
    clear = {**own, "maskImage": text(mask_of((64, 64), (0, 0, 9, 9)))}
    status, told, _ = await invoke(probe, NOVA, nova("INPAINTING", "inPaintingParams", clear))
    assert status == 400


async def test_the_models_that_are_offered_are_listed_without_their_profiles(probe: Probe) -> None:
    status, told = await probe.send("GET", "/bedrock/foundation-models?byOutputModality=IMAGE", headers=BEARER)
    assert status == 200
    assert {row["modelId"] for row in told["modelSummaries"]} == {model.removeprefix("us.") for model in MODELS}
    assert (await probe.send("GET", "/bedrock/foundation-models"))[0] == 403


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, "ResourceNotFoundException"), (408, "ModelTimeoutException"), (424, "ModelErrorException")],
)
async def test_its_own_statuses_have_their_names(probe: Probe, status: int, error: str) -> None:
    await probe.fail({"provider": "bedrock", "kind": "status", "status": status})
    told, _, headers = await invoke(probe, SD, {"prompt": "a boat"})
    assert (told, headers["x-amzn-ErrorType"]) == (status, error)
