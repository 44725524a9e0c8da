"""The vendors' own clients and our adapters make the same call: method, path and body, as the server received them."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import fal_client
import openai
import pytest

from mintmark.providers.http import HttpClient
from mintmark.providers.imagefile import alpha_mask
from mintmark.providers.models import Catalog
from mintmark.providers.openai_moderations import openai_moderations_client
from mintmark.providers.registry import open_provider
from mintmark.providers.request import GenerationRequest
from mintmark.providers.secret import Secret
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.provider import Truth, ignore
from mintmark.tests.providers.conftest import half_mask, picture
from mintmark.tests.sandbox.fal_hosts import fal_hosts

KEY = "parity-id:parity-secret"


@pytest.fixture
async def sdk(sandbox: Sandbox) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{sandbox.url}/openai/v1", max_retries=0) as client:
        yield client


async def ours(http: HttpClient, sandbox: Sandbox, model: str, **asked: Any) -> None:
    """Make the call with our adapter."""
    known = Catalog.load().find(model)
    assert known is not None
    provider = open_provider(known.provider, http, key=Secret(KEY), sandbox_url=sandbox.url)
    request = GenerationRequest.model_validate({"model": model, **asked})
    await provider.ask(provider.prepare(known, request), call_id="call-1", on_accepted=ignore)


async def same(truth: Truth, kind: str = "generation") -> dict[str, Any]:
    """Both calls as received, held against each other; what they share is returned."""
    first, second = (shown(call) for call in await truth.calls(kind))
    assert first == second
    return first


def shown(call: dict[str, Any], *proof: str) -> dict[str, Any]:
    """What of a call both sides must agree on; ``proof`` are the headers that say who asks, where there are others.

    A form's parts have no order, and file names are the caller's own.
    """
    body = call["body"]
    if isinstance(body, list):
        plain = [{name: value for name, value in part.items() if name != "filename"} for part in body]
        named = [{**part, "file": bool(old["filename"])} for part, old in zip(plain, body, strict=True)]
        body = sorted(named, key=lambda part: (part["name"], part.get("sha256", "")))
    headers = {name.lower(): value for name, value in call["headers"].items()}
    media = headers["content-type"].partition(";")[0]
    return {
        "provider": call["provider"],
        "method": call["method"],
        "path": call["path"],
        "query": call["query"],
        "media": media,
        **{name: headers.get(name) for name in proof or ("authorization",)},
        "body": body,
    }


async def test_openai_generate(http: HttpClient, sandbox: Sandbox, sdk: openai.AsyncOpenAI, truth: Truth) -> None:
    await sdk.images.generate(
        model="gpt-image-2",
        prompt="a boat, ein Böötchen",
        n=2,
        size="256x128",
        quality="low",
        background="opaque",
        output_format="webp",
        output_compression=80,
        moderation="low",
    )
    await ours(
        http,
        sandbox,
        "openai/gpt-image-2",
        task="text-to-image",
        prompt="a boat, ein Böötchen",
        count=2,
        width=256,
        height=128,
        options={
            "quality": "low",
            "background": "opaque",
            "output_format": "webp",
            "output_compression": 80,
            "moderation": "low",
        },
    )
    agreed = await same(truth)
    assert (agreed["method"], agreed["path"]) == ("POST", "/openai/v1/images/generations")
    assert agreed["body"]["prompt"] == "a boat, ein Böötchen"


async def test_openai_edit_with_one_image_and_a_mask(
    http: HttpClient, sandbox: Sandbox, sdk: openai.AsyncOpenAI, truth: Truth
) -> None:
    image, mask = picture(), half_mask()
    await sdk.images.edit(
        model="gpt-image-1.5",
        image=("image.png", BytesIO(image.data), "image/png"),
        mask=("mask.png", BytesIO(alpha_mask(mask)), "image/png"),
        prompt="a red sun",
        n=1,
        size="1024x1024",
        input_fidelity="high",
    )
    await ours(
        http,
        sandbox,
        "openai/gpt-image-1.5",
        task="inpaint",
        prompt="a red sun",
        width=1024,
        height=1024,
        images=(image,),
        mask=mask,
        options={"input_fidelity": "high"},
    )
    agreed = await same(truth)
    assert [part["name"] for part in agreed["body"]] == [
        *("image", "input_fidelity", "mask", "model", "n", "prompt", "size")
    ]


async def test_openai_edit_with_several_references(
    http: HttpClient, sandbox: Sandbox, sdk: openai.AsyncOpenAI, truth: Truth
) -> None:
    images = (picture(color=(10, 20, 30)), picture(color=(200, 20, 30), kind="JPEG"), picture(kind="WEBP"))
    await sdk.images.edit(
        model="gpt-image-2",
        image=[(f"image-{index}", BytesIO(one.data), one.media_type) for index, one in enumerate(images)],
        prompt="all of them",
        n=1,
    )
    await ours(http, sandbox, "openai/gpt-image-2", task="edit", prompt="all of them", images=images)
    agreed = await same(truth)
    assert [part["name"] for part in agreed["body"]].count("image[]") == 3


async def test_openai_moderation_of_text_and_image(
    http: HttpClient, sandbox: Sandbox, sdk: openai.AsyncOpenAI, truth: Truth
) -> None:
    uri = f"data:image/png;base64,{base64.b64encode(picture().data).decode()}"
    asked: list[Any] = [{"type": "text", "text": "a boat"}, {"type": "image_url", "image_url": {"url": uri}}]
    theirs = await sdk.moderations.create(model="omni-moderation-latest", input=asked)
    client = openai_moderations_client(http, key=Secret(KEY), sandbox_url=sandbox.url)
    answer = await client.post_json("/moderations", {"model": "omni-moderation-latest", "input": asked})
    agreed = await same(truth, "moderation")
    assert agreed["path"] == "/openai/v1/moderations"
    assert answer["results"] == theirs.model_dump(by_alias=True)["results"]


@pytest.mark.parametrize(
    ("model", "app", "asked", "arguments"),
    [
        (
            "fal/flux-schnell",
            "fal-ai/flux/schnell",
            {"task": "text-to-image", "count": 2, "seed": 5, "width": 128, "height": 64, "options": {"steps": 4}},
            {
                "prompt": "a boat",
                "image_size": {"width": 128, "height": 64},
                "num_images": 2,
                "seed": 5,
                "num_inference_steps": 4,
                "output_format": "png",
            },
        ),
        (
            "fal/nano-banana",
            "fal-ai/nano-banana/edit",
            {"task": "edit", "width": 1600, "height": 900, "images": (picture(), picture(color=(9, 9, 9)))},
            {
                "prompt": "a boat",
                "image_urls": [picture(), picture(color=(9, 9, 9))],
                "aspect_ratio": "16:9",
                "num_images": 1,
                "output_format": "png",
            },
        ),
        (
            "fal/flux-pro-fill",
            "fal-ai/flux-pro/v1/fill",
            {"task": "inpaint", "images": (picture(),), "mask": half_mask(), "options": {"safety_tolerance": "3"}},
            {
                "prompt": "a boat",
                "image_url": picture(),
                "mask_url": half_mask(),
                "safety_tolerance": "3",
                "num_images": 1,
                "output_format": "png",
            },
        ),
    ],
    ids=["flux-schnell", "nano-banana-edit", "flux-pro-fill"],
)
async def test_fal_submit(
    http: HttpClient,
    sandbox: Sandbox,
    truth: Truth,
    model: str,
    app: str,
    asked: dict[str, Any],
    arguments: dict[str, Any],
) -> None:
    with fal_hosts(sandbox.url):
        handle = await fal_client.AsyncClient(key=KEY).submit(app, encoded(arguments))
        # Its client has no close of its own.
        await handle.client.aclose()
    await ours(http, sandbox, model, prompt="a boat", **asked)
    agreed = await same(truth)
    assert (agreed["method"], agreed["path"]) == ("POST", f"/fal/queue/{app}")


def encoded(value: Any) -> Any:
    """Images as the data URIs that fal's own ``encode_image`` would make of them."""
    if isinstance(value, dict):
        return {name: encoded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [encoded(one) for one in value]
    return fal_client.encode(value.data, value.media_type) if hasattr(value, "media_type") else value


async def test_the_caller_s_own_id_reaches_openai(http: HttpClient, sandbox: Sandbox, truth: Truth) -> None:
    await ours(http, sandbox, "openai/gpt-image-2", task="text-to-image", prompt="a boat", width=64, height=64)
    (call,) = await truth.calls()
    (line,) = await truth.bill()
    assert (call["client_request_id"], line["client_request_id"]) == ("call-1", "call-1")
