"""boto3 and our adapter make the same call: method, path to the letter, signed headers and body, as a server got them.

What differs: boto3 adds headers about itself (its version, the number of the try), and repeats what failed.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from aiohttp import web
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError

from mintmark.moderation.rekognition import LEAST_CONFIDENCE, RekognitionChecker
from mintmark.providers.bedrock import Bedrock
from mintmark.providers.http import HttpClient
from mintmark.providers.models import Catalog
from mintmark.providers.registry import open_service
from mintmark.providers.request import GenerationRequest, Margins, SourceImage
from mintmark.providers.secret import NO_KEY, Secret
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.provider import Truth, ignore
from mintmark.tests.providers.aws_account import use_account
from mintmark.tests.providers.conftest import half_mask, picture, serving
from mintmark.tests.providers.test_sdk_parity import shown

REGION = "us-west-2"
US = "us.stability.stable-image-"


@pytest.fixture(autouse=True)
def _account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_account(monkeypatch, tmp_path)


def sdk(service: str, url: str | None) -> Any:
    config = Config(retries={"total_max_attempts": 1})
    return boto3.client(service, region_name=REGION, endpoint_url=url, config=config)


async def theirs(url: str, model: str, body: dict[str, Any]) -> dict[str, Any]:
    """Make the call with boto3, as Amazon's own samples do; the answer's JSON."""

    def invoke() -> Any:
        client = sdk("bedrock-runtime", f"{url}/bedrock")
        try:
            answer = client.invoke_model(
                modelId=model, body=json.dumps(body), contentType="application/json", accept="application/json"
            )
            return json.loads(answer["body"].read())
        finally:
            client.close()

    told: dict[str, Any] = await asyncio.to_thread(invoke)
    return told


async def ours(http: HttpClient, url: str, model: str, *, key: Secret = NO_KEY, **asked: Any) -> bytes:
    """Make the call with our adapter; the first image's file."""
    known = Catalog.load().known(model)
    provider = Bedrock.open(http, key=key, sandbox_url=url, options={"region": REGION})
    request = GenerationRequest.model_validate({"model": model, "prompt": "", **asked})
    answer = await provider.ask(provider.prepare(known, request), call_id="call-1", on_accepted=ignore)
    return await provider.fetch(answer.images[0])


def text(image: SourceImage) -> str:
    return base64.b64encode(image.data).decode()


IMAGE, MASK = picture(128, 96), half_mask(128, 96)
LARGE, LARGE_MASK = picture(320, 320), half_mask(320, 320)
PAIRS: dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]] = {
    "text-to-image by SD 3.5": (
        "stability.sd3-5-large-v1:0",
        {"prompt": "ein Böötchen", "mode": "text-to-image", "aspect_ratio": "16:9", "seed": 5, "output_format": "png"},
        "bedrock/sd3.5-large",
        {
            "task": "text-to-image",
            "prompt": "ein Böötchen",
            "width": 1344,
            "height": 768,
            "seed": 5,
            "options": {"output_format": "png"},
        },
    ),
    "text-to-image by Core": (
        *("stability.stable-image-core-v1:1", {"prompt": "a boat", "negative_prompt": "fog"}),
        *("bedrock/core", {"task": "text-to-image", "prompt": "a boat", "negative_prompt": "fog"}),
    ),
    "text-to-image by Ultra": (
        *("stability.stable-image-ultra-v1:1", {"prompt": "a boat"}),
        *("bedrock/ultra", {"task": "text-to-image", "prompt": "a boat"}),
    ),
    "image to image": (
        "stability.sd3-5-large-v1:0",
        {"prompt": "at night", "mode": "image-to-image", "image": text(IMAGE), "strength": 0.7},
        "bedrock/sd3.5-large",
        {"task": "variation", "prompt": "at night", "images": (IMAGE,), "strength": 0.7},
    ),
    "inpaint": (
        f"{US}inpaint-v1:0",
        {"prompt": "a red sun", "image": text(IMAGE), "mask": text(MASK), "grow_mask": 3, "style_preset": "anime"},
        "bedrock/inpaint",
        {
            "task": "inpaint",
            "prompt": "a red sun",
            "images": (IMAGE,),
            "mask": MASK,
            "options": {"grow_mask": 3, "style_preset": "anime"},
        },
    ),
    "outpaint": (
        "us.stability.stable-outpaint-v1:0",
        {"image": text(IMAGE), "left": 20, "down": 8, "creativity": 0.4},
        "bedrock/outpaint",
        {
            "task": "outpaint",
            "images": (IMAGE,),
            "margins": Margins(left=20, bottom=8),
            "options": {"creativity": 0.4},
        },
    ),
    "edit": (
        f"{US}search-replace-v1:0",
        {"prompt": "a fox", "search_prompt": "the dog", "image": text(IMAGE)},
        "bedrock/search-and-replace",
        {"task": "edit", "prompt": "a fox", "images": (IMAGE,), "options": {"search_prompt": "the dog"}},
    ),
    "upscale": (
        *("us.stability.stable-fast-upscale-v1:0", {"image": text(IMAGE), "output_format": "jpeg"}),
        *("bedrock/upscale-fast", {"task": "upscale", "images": (IMAGE,), "options": {"output_format": "jpeg"}}),
    ),
    "control": (
        f"{US}control-structure-v1:0",
        {"prompt": "a hall", "image": text(IMAGE), "control_strength": 0.6},
        "bedrock/structure",
        {"task": "control", "prompt": "a hall", "images": (IMAGE,), "control": "depth", "strength": 0.6},
    ),
    "text-to-image by Nova": (
        "amazon.nova-canvas-v1:0",
        {
            "taskType": "TEXT_IMAGE",
            "textToImageParams": {"text": "a boat", "negativeText": "fog"},
            "imageGenerationConfig": {"numberOfImages": 2, "width": 512, "height": 320, "cfgScale": 8.0, "seed": 12},
        },
        "bedrock/nova-canvas",
        {
            "task": "text-to-image",
            "prompt": "a boat",
            "negative_prompt": "fog",
            "width": 512,
            "height": 320,
            "count": 2,
            "seed": 12,
            "options": {"guidance": 8.0},
        },
    ),
    "variation by Nova": (
        "amazon.nova-canvas-v1:0",
        {
            "taskType": "IMAGE_VARIATION",
            "imageVariationParams": {"text": "at night", "images": [text(LARGE)], "similarityStrength": 0.8},
            "imageGenerationConfig": {"numberOfImages": 1, "width": 320, "height": 320},
        },
        "bedrock/nova-canvas",
        {
            "task": "variation",
            "prompt": "at night",
            "images": (LARGE,),
            "strength": 0.2,
            "width": 320,
            "height": 320,
        },
    ),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS.keys())
async def test_a_task_s_call_is_boto3_s(
    http: HttpClient, sandbox: Sandbox, truth: Truth, pair: tuple[str, dict[str, Any], str, dict[str, Any]]
) -> None:
    model, body, name, asked = pair
    told = await theirs(sandbox.url, model, body)
    made = await ours(http, sandbox.url, name, **asked)
    first, second = (shown(call) for call in await truth.calls())
    # Each has a signature of its own moment; the sandbox has checked both.
    assert first.pop("authorization").startswith("sha256:")
    assert second.pop("authorization").startswith("sha256:")
    assert first == second
    assert (first["method"], first["path"]) == ("POST", f"/bedrock/model/{model}/invoke")
    assert made == base64.b64decode(told["images"][0])


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, "ValidationException"),
        (403, "AccessDeniedException"),
        (404, "ResourceNotFoundException"),
        (408, "ModelTimeoutException"),
        (424, "ModelErrorException"),
        (429, "ThrottlingException"),
        (500, "InternalServerException"),
        (503, "ServiceUnavailableException"),
    ],
)
async def test_boto3_reads_the_sandbox_s_errors_as_its_own(
    sandbox: Sandbox, truth: Truth, status: int, error: str
) -> None:
    await truth.fail({"provider": "bedrock", "kind": "status", "status": status})
    with pytest.raises(ClientError) as told:
        await theirs(sandbox.url, "stability.stable-image-core-v1:1", {"prompt": "a boat"})
    assert type(told.value).__name__ == error
    assert told.value.response["Error"]["Code"] == error
    assert told.value.response["Error"]["Message"]
    assert told.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


@pytest.fixture
def seen() -> list[dict[str, Any]]:
    return []


async def test_path_and_signed_headers_are_boto3_s_to_the_letter(http: HttpClient, seen: list[dict[str, Any]]) -> None:
    async def handler(request: web.Request) -> web.Response:
        body = await request.read()
        seen.append({"method": request.method, "path": request.raw_path, "headers": request.headers, "body": body})
        return web.json_response({"seeds": [1], "finish_reasons": [None], "images": [text(IMAGE)]})

    async with serving(handler) as url:
        await theirs(url, "stability.stable-image-core-v1:1", {"prompt": "a boat"})
        await ours(http, url, "bedrock/core", task="text-to-image", prompt="a boat")
    first, second = seen
    assert first["path"] == second["path"] == "/bedrock/model/stability.stable-image-core-v1%3A1/invoke"
    assert json.loads(first["body"]) == json.loads(second["body"])
    for name in ("Content-Type", "Accept", "Host"):
        assert first["headers"][name] == second["headers"][name]
    scope = [one["headers"]["Authorization"].partition("Credential=")[2].partition(",")[0] for one in seen]
    assert scope[0] == scope[1]
    signed = [one["headers"]["Authorization"].partition("SignedHeaders=")[2].partition(",")[0] for one in seen]
    own = {"amz-sdk-invocation-id", "amz-sdk-request"}
    assert set(signed[0].split(";")) - own == set(signed[1].split(";"))


@pytest.fixture
def on_the_way() -> Iterator[tuple[Any, list[Any]]]:
    """boto3 for the live service, whose requests get no further than a list."""
    client, kept = sdk("bedrock-runtime", None), []

    def keep(request: Any, **_: Any) -> AWSResponse:
        kept.append(request)
        raw = io.BytesIO(b'{"images": []}')
        raw.stream = lambda **_: iter([raw.getvalue()])  # type: ignore[attr-defined]
        return AWSResponse(request.url, 200, {"Content-Type": "application/json"}, raw)

    client.meta.events.register("before-send.bedrock-runtime.InvokeModel", keep)
    yield client, kept
    client.close()


async def test_a_key_goes_as_boto3_sends_it_to_the_same_place(
    http: HttpClient, seen: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    # boto3 sends a bearer over https only, so its request is held against ours before it leaves.
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-key-0123456789")
    client, kept = request.getfixturevalue("on_the_way")
    body = json.dumps({"prompt": "a boat"})
    model = "stability.stable-image-core-v1:1"
    client.invoke_model(modelId=model, body=body, contentType="application/json", accept="application/json")

    async def handler(asked: web.Request) -> web.Response:
        seen.append({"path": asked.raw_path, "headers": asked.headers, "body": await asked.read()})
        return web.json_response({"images": [text(IMAGE)]})

    key = Secret("bedrock-key-0123456789")
    async with serving(handler) as url:
        await ours(http, url, "bedrock/core", key=key, task="text-to-image", prompt="a boat")
    (first,), (second,) = kept, seen
    live = Bedrock.open(http, key=key, options={"region": REGION})
    assert first.url == live._base_url + second["path"].removeprefix("/bedrock")
    assert json.loads(first.body) == json.loads(second["body"])
    for name in ("Authorization", "Content-Type", "Accept"):
        assert _text(first.headers[name]) == second["headers"][name]


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


async def test_a_moderation_is_boto3_s(http: HttpClient, sandbox: Sandbox, truth: Truth) -> None:
    def detect() -> Any:
        client = sdk("rekognition", f"{sandbox.url}/rekognition/")
        try:
            return client.detect_moderation_labels(Image={"Bytes": IMAGE.data}, MinConfidence=LEAST_CONFIDENCE)
        finally:
            client.close()

    told = await asyncio.to_thread(detect)
    client = open_service("rekognition", http, key=NO_KEY, sandbox_url=sandbox.url, options={"region": REGION})
    scores = await RekognitionChecker(client).check_image(IMAGE.data, "image/png")
    assert told["ModerationModelVersion"] == "7.0"
    assert scores.model == "rekognition-moderation 7.0"
    calls = await truth.calls("moderation")
    first, second = (shown(call) for call in calls)
    assert first.pop("authorization") != second.pop("authorization")
    assert first == second
    assert {call["headers"]["X-Amz-Target"] for call in calls} == {"RekognitionService.DetectModerationLabels"}
