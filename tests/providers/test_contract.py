"""Every adapter against the contract, over the sandbox's wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import date
from typing import Any

import pytest

from mintmark.providers.base import Provider
from mintmark.providers.http import HttpClient, Timeouts
from mintmark.providers.models import Catalog
from mintmark.providers.registry import open_provider
from mintmark.providers.secret import Secret
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.provider import *  # noqa: F403 - the contract's tests are this file's
from mintmark.tests.contracts.provider import ProviderCase
from mintmark.tests.providers.conftest import FakeTime, client

CASES: dict[str, tuple[str, str | None, str, dict[str, Any]]] = {
    "openai": (
        "openai/gpt-image-2",
        "openai/gpt-image-2",
        "images",
        {"mask_request": {"width": 64, "height": 64}, "resumes": False, "cancels": False},
    ),
    "azure": ("azure/gpt-image-2", "azure/gpt-image-2", "images", {"mask_request": {"width": 64, "height": 64}}),
    "fal": ("fal/flux-schnell", "fal/flux-pro-fill", "/fal/queue/fal-ai", {}),
    "bfl": ("bfl/flux-2-pro", "bfl/flux-pro-1.0-fill", "/bfl/v1/flux", {"cancels": False}),
    "stability": (
        "stability/sd3.5-medium",
        "stability/inpaint",
        "/v2beta/stable-image",
        {"made_size": (1024, 1024), "resumes": False, "cancels": False},
    ),
    "replicate": (
        "replicate/flux-1.1-pro",
        "replicate/flux-fill-pro",
        "/predictions",
        {"size": (256, 256), "seed_at": ("input", "seed")},
    ),
    "bedrock": ("bedrock/sd3.5-large", "bedrock/inpaint", "/bedrock/model", {"made_size": (1024, 1024)}),
    # With its default runner; test_huggingface_contract.py has the others.
    "huggingface": (
        "huggingface/flux.1-schnell",
        None,
        "/huggingface/router",
        {"size": (256, 256), "media_type": "image/jpeg", "choice": "route", "resumes": False, "cancels": False},
    ),
    "ideogram": (
        "ideogram/v3",
        "ideogram/v3",
        "/v1/ideogram-v3",
        {"size": (832, 960), "choice": "rendering_speed", "resumes": False, "cancels": False},
    ),
    "firefly": (
        "firefly/image3",
        "firefly/fill",
        "/images/",
        {"size": (1024, 1024), "image_size": (1024, 1024), "choice": "resolution", "seed_at": ("seeds", 0)},
    ),
    "google": (
        "google/gemini-3.1-flash-image",
        None,
        "/google/v1beta/models",
        {"made_size": (1024, 1024), "choice": "aspect_ratio", "seed_at": ("generationConfig", "seed")},
    ),
}
"""By provider: a text-to-image model, one that takes a mask (or None), part of the paid POST's path in the sandbox,
and what is special (fields of :class:`ProviderCase`)."""
TODAY = date(2026, 11, 21)


def patient(time: FakeTime) -> HttpClient:
    """A client that does not give up on a vendor that is polled once in ten seconds: no time passes anyway."""
    return client(time, timeouts=Timeouts(connect_s=5, read_s=5, total_s=100_000))


@pytest.fixture
async def http(time: FakeTime) -> AsyncIterator[HttpClient]:
    async with patient(time) as made:
        yield made


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, sandbox: Sandbox, http: HttpClient, time: FakeTime) -> ProviderCase:
    name = str(request.param)
    model, other, path, special = CASES[name]

    def opened(client: HttpClient, key: Secret) -> Provider:
        return open_provider(name, client, key=key, sandbox_url=sandbox.url)

    def another() -> AbstractAsyncContextManager[HttpClient]:
        return patient(time)

    return ProviderCase(
        name=name,
        model=Catalog.load().get(model, TODAY),
        other=Catalog.load().get(other, TODAY) if other else None,
        open=opened,
        client=another,
        http=http,
        # Its first letters must not be a word that stands in answers anyway.
        key=f"k0123456789-{name}:abcdefghijkl",
        generation_path=path,
        **special,
    )
