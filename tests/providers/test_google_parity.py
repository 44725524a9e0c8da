"""Google's own client and our adapter make the same call: method, path, headers that prove who asks, and body."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import google.auth.credentials
import pytest

from mintmark.providers.google import Google
from mintmark.providers.google_account import AccountCaller
from mintmark.providers.google_place import Place
from mintmark.providers.http import HttpClient
from mintmark.providers.models import Catalog
from mintmark.providers.request import GenerationRequest
from mintmark.providers.secret import Secret
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.provider import Truth, ignore
from mintmark.tests.providers.conftest import picture

genai = pytest.importorskip("google.genai", reason="not run: Google's SDK needs Python 3.11")
types = genai.types

KEY = "parity-key-0123456789"
FLASH, PRO, IMAGEN = "gemini-3.1-flash-image", "gemini-3-pro-image", "imagen-4.0-generate-001"
PROJECT, LOCATION = "a-project", "europe-west4"
HARMS = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")


class Account(google.auth.credentials.CredentialsWithQuotaProject):
    """Credentials that nobody had to be asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._quota_project_id = "who-pays"

    def refresh(self, request: Any) -> None:
        self.token, self.expiry = "ya29.parity-token", datetime(2999, 1, 1)  # noqa: DTZ001 - as google-auth has it


@contextmanager
def gemini(sandbox: Sandbox) -> Iterator[Any]:
    place = types.HttpOptions(base_url=f"{sandbox.url}/google", api_version="v1beta")
    with genai.Client(api_key=KEY, http_options=place) as client:
        yield client


@contextmanager
def vertex(sandbox: Sandbox, location: str = LOCATION) -> Iterator[Any]:
    place = types.HttpOptions(base_url=f"{sandbox.url}/google")
    with genai.Client(
        vertexai=True, project=PROJECT, location=location, credentials=Account(), http_options=place
    ) as client:
        yield client


async def theirs(ask: Callable[[], Any]) -> Any:
    """Their client waits while the sandbox runs on our loop."""
    return await asyncio.to_thread(ask)


async def ours(http: HttpClient, sandbox: Sandbox, model: str, *, location: str | None = None, **asked: Any) -> None:
    """Make the call with our adapter: with a key, or on Vertex with an account."""
    if location is None:
        provider = Google.open(http, key=Secret(KEY), sandbox_url=sandbox.url)
    else:
        base = f"{sandbox.url}/google/v1beta1/projects/{PROJECT}/locations/{location}/publishers/google"
        provider = Google(http, Place(base=base, vertex=True, caller=AccountCaller(Account)))
    known = Catalog.load().find(f"google/{model}")
    assert known is not None
    request = GenerationRequest.model_validate({"model": known.name, "prompt": "a boat", **asked})
    await provider.ask(provider.prepare(known, request), call_id="c", on_accepted=ignore)


async def same(truth: Truth) -> dict[str, Any]:
    """Both calls as received, held against each other; what they share is returned."""
    first, second = (shown(call) for call in await truth.calls())
    assert first == second
    return first


def shown(call: dict[str, Any]) -> dict[str, Any]:
    """What of a call both sides must agree on."""
    headers = {name.lower(): value for name, value in call["headers"].items()}
    who = {name: headers.get(name) for name in ("authorization", "x-goog-api-key", "x-goog-user-project")}
    media = headers["content-type"].partition(";")[0]
    return {
        **{name: call[name] for name in ("provider", "method", "path", "query", "status")},
        "media": media,
        "who": who,
        "body": meant(call["body"]),
    }


def meant(value: Any) -> Any:
    """Protobuf's JSON reads a name in either case, and bytes in either alphabet of base64: the SDK mixes them."""
    if isinstance(value, dict):
        camel = {re.sub(r"_([a-z])", lambda match: match[1].upper(), name): each for name, each in value.items()}
        alphabet = str.maketrans("-_", "+/")
        return {
            name: each.translate(alphabet) if name == "data" and isinstance(each, str) else meant(each)
            for name, each in camel.items()
        }
    return [meant(each) for each in value] if isinstance(value, list) else value


async def test_text_to_image_with_a_key(http: HttpClient, sandbox: Sandbox, truth: Truth) -> None:
    config = types.GenerateContentConfig(
        response_modalities=["TEXT", "IMAGE"],
        seed=7,
        temperature=0.5,
        image_config=types.ImageConfig(aspect_ratio="16:9", image_size="512"),
        thinking_config=types.ThinkingConfig(thinking_level=types.ThinkingLevel.HIGH),
        safety_settings=[
            types.SafetySetting(
                category=types.HarmCategory(f"HARM_CATEGORY_{harm}"),
                threshold=types.HarmBlockThreshold.BLOCK_ONLY_HIGH,
            )
            for harm in HARMS
        ],
    )
    with gemini(sandbox) as client:
        made = await theirs(
            lambda: client.models.generate_content(model=FLASH, contents="a boat, ein Böötchen", config=config)
        )
    assert made.candidates[0].finish_reason is types.FinishReason.STOP
    await ours(
        http,
        sandbox,
        FLASH,
        task="text-to-image",
        prompt="a boat, ein Böötchen",
        seed=7,
        width=1376,
        height=768,
        options={
            "image_size": "512",
            "temperature": 0.5,
            "thinking": "HIGH",
            "safety_threshold": "BLOCK_ONLY_HIGH",
        },
    )
    agreed = await same(truth)
    assert agreed["path"] == f"/google/v1beta/models/{FLASH}:generateContent"
    assert agreed["who"]["x-goog-api-key"]


async def test_an_edit_with_several_images(http: HttpClient, sandbox: Sandbox, truth: Truth) -> None:
    images = (picture(), picture(color=(200, 20, 30), kind="JPEG"), picture(kind="WEBP"))
    config = types.GenerateContentConfig(
        response_modalities=["TEXT", "IMAGE"], image_config=types.ImageConfig(image_size="1K")
    )
    parts = [types.Part.from_bytes(data=image.data, mime_type=image.media_type) for image in images]
    with gemini(sandbox) as client:
        await theirs(
            lambda: client.models.generate_content(model=FLASH, contents=["all of them", *parts], config=config)
        )
    await ours(http, sandbox, FLASH, task="edit", prompt="all of them", images=images)
    agreed = await same(truth)
    assert len(agreed["body"]["contents"][0]["parts"]) == 4


async def test_vertex_with_an_account(http: HttpClient, sandbox: Sandbox, truth: Truth) -> None:
    config = types.GenerateContentConfig(
        response_modalities=["TEXT", "IMAGE"],
        image_config=types.ImageConfig(
            image_size="1K",
            aspect_ratio="1:1",
            output_mime_type="image/jpeg",
            output_compression_quality=80,
            person_generation="ALLOW_NONE",
            prominent_people=types.ProminentPeople.BLOCK_PROMINENT_PEOPLE,
        ),
    )
    with vertex(sandbox) as client:
        await theirs(lambda: client.models.generate_content(model=PRO, contents="a boat", config=config))
    await ours(
        http,
        sandbox,
        PRO,
        location=LOCATION,
        task="text-to-image",
        options={
            "aspect_ratio": "1:1",
            "output_format": "jpeg",
            "output_compression": 80,
            "person_generation": "ALLOW_NONE",
            "prominent_people": "BLOCK_PROMINENT_PEOPLE",
        },
    )
    agreed = await same(truth)
    place = f"projects/{PROJECT}/locations/{LOCATION}/publishers/google"
    assert agreed["path"] == f"/google/v1beta1/{place}/models/{PRO}:generateContent"
    assert agreed["who"]["authorization"]
    assert agreed["who"]["x-goog-user-project"] == "who-pays"


async def test_imagen_s_predict(http: HttpClient, sandbox: Sandbox, truth: Truth) -> None:
    config = types.GenerateImagesConfig(
        number_of_images=2,
        aspect_ratio="4:3",
        image_size="1K",
        seed=5,
        add_watermark=False,
        negative_prompt="blur",
        include_rai_reason=True,
        safety_filter_level=types.SafetyFilterLevel.BLOCK_ONLY_HIGH,
        person_generation=types.PersonGeneration.ALLOW_ADULT,
        guidance_scale=7.5,
        output_mime_type="image/jpeg",
        output_compression_quality=60,
        enhance_prompt=False,
    )
    with vertex(sandbox) as client, pytest.warns(match="generate_images method is deprecated"):
        await theirs(lambda: client.models.generate_images(model=IMAGEN, prompt="a boat", config=config))
    await ours(
        http,
        sandbox,
        IMAGEN,
        location=LOCATION,
        task="text-to-image",
        count=2,
        seed=5,
        width=1024,
        height=768,
        negative_prompt="blur",
        options={
            "image_size": "1K",
            "safety_threshold": "BLOCK_ONLY_HIGH",
            "person_generation": "ALLOW_ADULT",
            "guidance": 7.5,
            "output_format": "jpeg",
            "output_compression": 60,
            "enhance_prompt": False,
        },
    )
    agreed = await same(truth)
    assert agreed["path"].endswith(f"/models/{IMAGEN}:predict")
    assert agreed["body"]["parameters"]["sampleCount"] == 2
