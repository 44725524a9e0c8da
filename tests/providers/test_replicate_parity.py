"""Replicate's official client and our adapter make the same call: method, path and body, as the server received them.

What differs: ours has the request held for a second where theirs asks for up to a minute, and sets a deadline.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import pytest
import replicate
from replicate.client import Client

from mintmark.providers.http import HttpClient
from mintmark.providers.models import Catalog
from mintmark.providers.registry import open_provider
from mintmark.providers.request import GenerationRequest
from mintmark.providers.secret import Secret
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.provider import Truth, ignore
from mintmark.tests.providers.conftest import half_mask, picture
from mintmark.tests.providers.test_sdk_parity import same

KEY = "parity-0123456789"
ESRGAN = "f121d640bd286e1fdc67f9799164c1d5be36ff74576ee11c803ae5b665dd46aa"


@pytest.fixture
async def sdk(sandbox: Sandbox) -> AsyncIterator[Client]:
    client = replicate.Client(api_token=KEY, base_url=f"{sandbox.url}/replicate")
    yield client
    # It has no close of its own.
    await client._async_client.aclose()


async def ours(http: HttpClient, sandbox: Sandbox, model: str, **asked: Any) -> bytes:
    """Make the call with our adapter; the first image's file."""
    known = Catalog.load().find(model)
    assert known is not None
    provider = open_provider("replicate", http, key=Secret(KEY), sandbox_url=sandbox.url)
    request = GenerationRequest.model_validate({"model": model, "prompt": "", **asked})
    answer = await provider.ask(provider.prepare(known, request), call_id="call-1", on_accepted=ignore)
    return await provider.fetch(answer.images[0])


def uri(image: Any) -> str:
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"


async def test_run_of_an_official_model(http: HttpClient, sandbox: Sandbox, sdk: Client, truth: Truth) -> None:
    theirs = await sdk.async_run(
        "black-forest-labs/flux-1.1-pro",
        input={
            "prompt": "a boat, ein Böötchen",
            "width": 256,
            "height": 256,
            "aspect_ratio": "custom",
            "seed": 5,
            "output_format": "png",
            "safety_tolerance": 3,
        },
    )
    made = await ours(
        http,
        sandbox,
        "replicate/flux-1.1-pro",
        task="text-to-image",
        prompt="a boat, ein Böötchen",
        width=256,
        height=256,
        seed=5,
        options={"safety_tolerance": 3},
    )
    agreed = await same(truth)
    assert (agreed["method"], agreed["path"]) == (
        "POST",
        "/replicate/v1/models/black-forest-labs/flux-1.1-pro/predictions",
    )
    async with truth.session.get(theirs) as reply:
        assert made == await reply.read()
    waited = [call["headers"]["Prefer"] for call in await truth.calls()]
    assert waited == ["wait", "wait=1"]


async def test_create_of_an_edit(http: HttpClient, sandbox: Sandbox, sdk: Client, truth: Truth) -> None:
    image = picture()
    await sdk.models.predictions.async_create(
        model="black-forest-labs/flux-kontext-pro",
        input={
            "prompt": "at night",
            "input_image": uri(image),
            "aspect_ratio": "match_input_image",
            "output_format": "png",
        },
    )
    await ours(http, sandbox, "replicate/flux-kontext-pro", task="edit", prompt="at night", images=(image,))
    assert (await same(truth))["path"].endswith("/flux-kontext-pro/predictions")


async def test_create_of_an_inpainting(http: HttpClient, sandbox: Sandbox, sdk: Client, truth: Truth) -> None:
    image, mask = picture(), half_mask()
    await sdk.models.predictions.async_create(
        model="black-forest-labs/flux-fill-pro",
        input={"prompt": "a red sun", "image": uri(image), "mask": uri(mask), "output_format": "png", "seed": 1},
    )
    await ours(
        http,
        sandbox,
        "replicate/flux-fill-pro",
        task="inpaint",
        prompt="a red sun",
        images=(image,),
        mask=mask,
        seed=1,
    )
    await same(truth)


async def test_run_of_a_pinned_version(http: HttpClient, sandbox: Sandbox, sdk: Client, truth: Truth) -> None:
    image = picture()
    await sdk.async_run(f"nightmareai/real-esrgan:{ESRGAN}", input={"image": uri(image), "scale": 2})
    await ours(http, sandbox, "replicate/real-esrgan", task="upscale", images=(image,), scale=2)
    agreed = await same(truth)
    assert agreed["path"] == "/replicate/v1/predictions"
    assert agreed["body"]["version"] == ESRGAN


async def test_an_upload(http: HttpClient, sandbox: Sandbox, sdk: Client, truth: Truth) -> None:
    image = picture()
    # Bytes after a picture's end do no harm, and make it too large for a data URI.
    large = image.model_copy(update={"data": image.data + bytes(300_000)})
    file = BytesIO(large.data)
    file.name = "image.png"
    await sdk.models.predictions.async_create(
        model="black-forest-labs/flux-kontext-pro",
        input={
            "prompt": "at night",
            "input_image": file,
            "aspect_ratio": "match_input_image",
            "output_format": "png",
        },
    )
    await ours(http, sandbox, "replicate/flux-kontext-pro", task="edit", prompt="at night", images=(large,))
    first, second = [call["body"]["input"] for call in await truth.calls()]
    urls = [first.pop("input_image"), second.pop("input_image")]
    assert all(url.startswith(f"{sandbox.url}/replicate/v1/files/") for url in urls)
    assert first == second


async def test_the_client_reads_our_answers(sandbox: Sandbox, sdk: Client) -> None:
    made = await sdk.models.predictions.async_create(
        model="black-forest-labs/flux-schnell",
        input={"prompt": "a boat", "megapixels": "0.25", "num_outputs": 2, "output_format": "png"},
    )
    await made.async_wait()
    assert made.status == "succeeded"
    assert [url.rpartition("/")[2] for url in made.output] == ["out-0.png", "out-1.png"]
    assert (await sdk.predictions.async_get(made.id)).metrics == made.metrics
    assert (await sdk.accounts.async_current()).username == "sandbox"
