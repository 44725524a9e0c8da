"""huggingface_hub and our adapter make the same call by each runner: method, path, query, headers and body.

Its client waits for answers by itself and is not asynchronous there, so it runs in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from huggingface_hub import InferenceClient
from PIL import Image

from mintmark.providers.http import HttpClient
from mintmark.providers.huggingface_routes import ENDPOINT
from mintmark.providers.models import Catalog
from mintmark.providers.registry import open_provider
from mintmark.providers.request import GenerationRequest
from mintmark.providers.secret import Secret
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.provider import Truth, ignore
from mintmark.tests.providers.conftest import picture
from mintmark.tests.providers.test_sdk_parity import same
from mintmark.tests.sandbox.huggingface_hosts import huggingface_hosts

KEY = "hf_parity0123456789"
ORG = "our-org"
OWN = "https://own.eu-west-1.aws.endpoints.huggingface.cloud"
TUNING = {"num_inference_steps": 4, "guidance_scale": 3.5, "seed": 7}
OURS = {"steps": 4, "guidance": 3.5}


@pytest.fixture(autouse=True)
def _hosts(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with huggingface_hosts(sandbox.url):
        yield


async def theirs(route: str, call: Callable[[InferenceClient], Image.Image]) -> Image.Image:
    client = InferenceClient(provider=route, api_key=KEY, bill_to=ORG)  # type: ignore[arg-type]
    return await asyncio.to_thread(call, client)


async def ours(http: HttpClient, sandbox: Sandbox, name: str, **asked: Any) -> Image.Image:
    known = Catalog.load().find(name)
    assert known is not None
    options = {"bill_to": ORG}
    provider = open_provider("huggingface", http, key=Secret(KEY), sandbox_url=sandbox.url, options=options)
    request = GenerationRequest.model_validate({"model": name, "task": "text-to-image", "seed": 7, **asked})
    answer = await provider.ask(provider.prepare(known, request), call_id="call-1", on_accepted=ignore)
    return Image.open(BytesIO(await provider.fetch(answer.images[0])))


async def agreed(truth: Truth) -> dict[str, Any]:
    """What both sent; the headers that Hugging Face reads are held against each other too."""
    first, second = [{name.lower(): value for name, value in call["headers"].items()} for call in await truth.calls()]
    for name in ("x-hf-bill-to", "accept", "prefer"):
        assert first.get(name) == second.get(name), name
    assert first["x-hf-bill-to"] == ORG
    return await same(truth)


MADE = {
    "fal-ai": ("huggingface/flux.1-schnell", "/fal-ai/fal-ai/flux/schnell"),
    "replicate": ("huggingface/flux.1-schnell", "/replicate/v1/models/black-forest-labs/flux-schnell/predictions"),
    "together": ("huggingface/flux.1-dev", "/together/v1/images/generations"),
    "wavespeed": ("huggingface/flux.1-dev", "/wavespeed/api/v3/wavespeed-ai/flux-dev"),
    "nscale": ("huggingface/stable-diffusion-xl", "/nscale/v1/images/generations"),
    "hf-inference": (
        "huggingface/stable-diffusion-3-medium",
        "/hf-inference/models/stabilityai/stable-diffusion-3-medium-diffusers",
    ),
}


@pytest.mark.parametrize("route", MADE)
async def test_a_picture_by_each_runner(http: HttpClient, sandbox: Sandbox, truth: Truth, route: str) -> None:
    name, path = MADE[route]
    known = Catalog.load().find(name)
    assert known is not None
    repo = known.endpoint["text-to-image"]
    negative = "blur" if known.negative_prompt else None
    first = await theirs(
        route,
        lambda client: client.text_to_image(
            "a boat, ein Böötchen", model=repo, width=256, height=128 * 2, negative_prompt=negative, **TUNING
        ),
    )
    options = {name: value for name, value in OURS.items() if name in known.parameters}
    second = await ours(
        http,
        sandbox,
        name,
        prompt="a boat, ein Böötchen",
        negative_prompt=negative or "",
        width=256,
        height=256,
        options={**options, "route": route},
    )
    assert (await agreed(truth))["path"] == f"/huggingface/router{path}"
    assert first.tobytes() == second.tobytes()


EDITED = {
    "fal-ai": ("huggingface/flux.1-kontext-dev", "/fal-ai/fal-ai/flux-kontext/dev"),
    "replicate": ("huggingface/flux.1-kontext-dev", "/replicate/v1/predictions"),
    "wavespeed": ("huggingface/flux.1-kontext-dev", "/wavespeed/api/v3/wavespeed-ai/flux-kontext-dev"),
    "together": ("huggingface/flux.1-kontext-dev-together", "/together/v1/images/generations"),
}


@pytest.mark.parametrize("route", EDITED)
async def test_an_edit_by_each_runner(http: HttpClient, sandbox: Sandbox, truth: Truth, route: str) -> None:
    name, path = EDITED[route]
    # It takes bytes for a JPEG, whatever they are.
    image = picture(kind="JPEG")
    first = await theirs(
        route,
        lambda client: client.image_to_image(
            image.data, "at night", model="black-forest-labs/FLUX.1-Kontext-dev", **TUNING
        ),
    )
    options = {**OURS, "route": route}
    second = await ours(http, sandbox, name, task="edit", prompt="at night", images=(image,), options=options)
    both = await agreed(truth)
    assert both["path"] == f"/huggingface/router{path}"
    assert both["query"] == ({"_subdomain": ["queue"]} if route == "fal-ai" else {})
    assert first.tobytes() == second.tobytes()


async def test_a_picture_by_a_dedicated_endpoint(http: HttpClient, sandbox: Sandbox, truth: Truth) -> None:
    first = await theirs("hf-inference", lambda client: client.text_to_image("a boat", model=OWN, **TUNING))
    sandboxed = {"endpoint.own": OWN, "bill_to": ORG}
    known = Catalog.load().find("huggingface/endpoint")
    assert known is not None
    provider = open_provider("huggingface", http, key=Secret(KEY), sandbox_url=sandbox.url, options=sandboxed)
    request = GenerationRequest.model_validate(
        {"model": known.name, "task": "text-to-image", "prompt": "a boat", "seed": 7, "options": OURS}
    )
    answer = await provider.ask(provider.prepare(known, request), call_id="call-1", on_accepted=ignore)
    assert (await agreed(truth))["path"] == f"/huggingface/{ENDPOINT}/own"
    assert first.tobytes() == Image.open(BytesIO(await provider.fetch(answer.images[0]))).tobytes()


async def test_an_edit_by_a_dedicated_endpoint(http: HttpClient, sandbox: Sandbox, truth: Truth) -> None:
    image = picture(256, 256, kind="JPEG")
    await theirs("hf-inference", lambda client: client.image_to_image(image.data, "at night", model=OWN, **TUNING))
    provider = open_provider(
        "huggingface", http, key=Secret(KEY), sandbox_url=sandbox.url, options={"endpoint.own": OWN, "bill_to": ORG}
    )
    known = Catalog.load().find("huggingface/endpoint")
    assert known is not None
    asked = {"model": known.name, "task": "edit", "prompt": "at night", "seed": 7, "images": (image,), "options": OURS}
    prepared = provider.prepare(known, GenerationRequest.model_validate(asked))
    await provider.ask(prepared, call_id="call-1", on_accepted=ignore)
    await agreed(truth)
