"""The official clients and our adapter make the same call to Azure: by deployment (AzureOpenAI) and in the v1 form."""

from __future__ import annotations

from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import aiohttp
import openai
import pytest

from mintmark.providers.azure import Azure
from mintmark.providers.azure_entra import SCOPE
from mintmark.providers.azure_place import Resource
from mintmark.providers.http import HttpClient
from mintmark.providers.imagefile import alpha_mask
from mintmark.providers.models import Catalog
from mintmark.providers.registry import open_provider
from mintmark.providers.request import GenerationRequest
from mintmark.providers.secret import NO_KEY, Secret
from mintmark.providers.tokens import Token, Tokens
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.provider import Truth, ignore
from mintmark.tests.providers.conftest import half_mask, picture
from mintmark.tests.providers.test_sdk_parity import shown

KEY = "parity-azure-0123456789"
VERSION = "2025-04-01-preview"
NAMED = "team gpt-image-2 (eu)"
"""A deployment's name that must be encoded to stand in a path."""

Client = openai.AsyncOpenAI | openai.AsyncAzureOpenAI


@pytest.fixture
async def by_deployment(sandbox: Sandbox) -> AsyncIterator[openai.AsyncAzureOpenAI]:
    endpoint = f"{sandbox.url}/azure"
    async with openai.AsyncAzureOpenAI(
        azure_endpoint=endpoint, api_version=VERSION, api_key=KEY, max_retries=0
    ) as client:
        yield client


@pytest.fixture
async def v1(sandbox: Sandbox) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{sandbox.url}/azure/openai/v1", max_retries=0) as client:
        yield client


@pytest.fixture(params=["deployment", "v1"])
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def sdk(form: str, request: pytest.FixtureRequest) -> Client:
    found: Client = request.getfixturevalue("by_deployment" if form == "deployment" else "v1")
    return found


async def ours(http: HttpClient, sandbox: Sandbox, form: str, **asked: Any) -> None:
    """Make the call with our adapter, in the same form."""
    options = {"deployment.gpt-image-2": NAMED} | ({"api_version": VERSION} if form == "deployment" else {})
    provider = open_provider("azure", http, key=Secret(KEY), sandbox_url=sandbox.url, options=options)
    await make(provider, **asked)


async def make(provider: Any, model: str = "azure/gpt-image-2", **asked: Any) -> None:
    known = Catalog.load().find(model)
    assert known is not None
    request = GenerationRequest.model_validate({"model": model, **asked})
    await provider.ask(provider.prepare(known, request), call_id="call-1", on_accepted=ignore)


async def same(truth: Truth) -> dict[str, Any]:
    """Both calls as received, with who asked, held against each other; what they share is returned."""
    first, second = (shown(call, "api-key", "authorization") for call in await truth.calls())
    assert first == second
    return first


async def test_generate(http: HttpClient, sandbox: Sandbox, sdk: Client, form: str, truth: Truth) -> None:
    own = {"quality": "low", "output_format": "webp", "output_compression": 80, "moderation": "low"}
    await sdk.images.generate(model=NAMED, prompt="ein Böötchen", n=2, size="256x128", **own)  # type: ignore[call-overload]
    await ours(
        http, sandbox, form, task="text-to-image", prompt="ein Böötchen", count=2, width=256, height=128, options=own
    )
    agreed = await same(truth)
    if form == "v1":
        assert (agreed["path"], agreed["query"]) == ("/azure/openai/v1/images/generations", {})
        assert agreed["authorization"] and not agreed["api-key"]
    else:
        assert agreed["path"] == f"/azure/openai/deployments/{NAMED}/images/generations"
        assert agreed["query"] == {"api-version": [VERSION]}
        assert agreed["api-key"] and not agreed["authorization"]
    assert agreed["body"]["model"] == NAMED


async def test_edit_with_a_mask(http: HttpClient, sandbox: Sandbox, sdk: Client, form: str, truth: Truth) -> None:
    image, mask = picture(), half_mask()
    await sdk.images.edit(
        model=NAMED,
        image=("image.png", BytesIO(image.data), "image/png"),
        mask=("mask.png", BytesIO(alpha_mask(mask)), "image/png"),
        prompt="a red sun",
        n=1,
        size="64x64",
    )
    await ours(http, sandbox, form, task="inpaint", prompt="a red sun", images=(image,), mask=mask)
    agreed = await same(truth)
    assert [part["name"] for part in agreed["body"]] == ["image", "mask", "model", "n", "prompt", "size"]


async def test_edit_of_several(http: HttpClient, sandbox: Sandbox, sdk: Client, form: str, truth: Truth) -> None:
    images = (picture(color=(10, 20, 30)), picture(kind="JPEG"))
    files = [(f"image-{index}", BytesIO(one.data), one.media_type) for index, one in enumerate(images)]
    await sdk.images.edit(model=NAMED, image=files, prompt="both of them", n=1)
    await ours(http, sandbox, form, task="edit", prompt="both of them", images=images)
    agreed = await same(truth)
    assert [part["name"] for part in agreed["body"]].count("image[]") == 2


async def test_previews(http: HttpClient, sandbox: Sandbox, sdk: Client, form: str, truth: Truth) -> None:
    stream = await sdk.images.generate(model=NAMED, prompt="a boat", n=1, size="64x64", partial_images=2, stream=True)
    assert [event.type async for event in stream][-1] == "image_generation.completed"
    asked = {"task": "text-to-image", "prompt": "a boat", "width": 64, "height": 64}
    await ours(http, sandbox, form, **asked, options={"previews": 2})
    assert (await same(truth))["body"]["stream"] is True


async def test_with_a_token_of_entra_id(http: HttpClient, sandbox: Sandbox, truth: Truth) -> None:
    url, form = f"{sandbox.url}/azure/login/tenant-1/oauth2/v2.0/token", {"client_id": "c", "client_secret": "s"}
    form |= {"grant_type": "client_credentials", "scope": SCOPE}
    async with aiohttp.ClientSession() as session, session.post(url, data=form) as reply:
        value = (await reply.json())["access_token"]

    async def fetch() -> Token:
        return Token(value=Secret(value), expires_in_s=3599)

    endpoint = f"{sandbox.url}/azure"
    async with openai.AsyncAzureOpenAI(
        azure_endpoint=endpoint, api_version=VERSION, azure_ad_token=value, max_retries=0
    ) as client:
        await client.images.generate(model="gpt-image-2", prompt="a boat", n=1, size="64x64")
    provider = Azure(http, resource=Resource(endpoint, VERSION), key=NO_KEY, tokens=Tokens(fetch))
    await make(provider, task="text-to-image", prompt="a boat", width=64, height=64)
    agreed = await same(truth)
    assert agreed["authorization"] and not agreed["api-key"]
