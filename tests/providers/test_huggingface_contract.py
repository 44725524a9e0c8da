"""The adapter against the contract by each runner that Hugging Face passes calls to, and at a dedicated Endpoint."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from mintmark.metering.prices import PerImage
from mintmark.providers.base import Provider
from mintmark.providers.http import HttpClient, Timeouts
from mintmark.providers.registry import open_provider
from mintmark.providers.secret import Secret
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.provider import *  # noqa: F403 - the contract's tests are this file's
from mintmark.tests.contracts.provider import ProviderCase
from mintmark.tests.providers.conftest import FakeTime, client, model

AT_ONCE: dict[str, Any] = {"resumes": False, "cancels": False}
GOES_ON: dict[str, Any] = {"resumes": True, "cancels": False}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "fal-ai": ("huggingface/flux.1-schnell", {**AT_ONCE, "media_type": "image/jpeg"}),
    "replicate": ("huggingface/flux.1-schnell", {**GOES_ON, "media_type": "image/webp", "seed_at": ("input", "seed")}),
    "together": ("huggingface/flux.1-dev", {**AT_ONCE, "media_type": "image/jpeg"}),
    "wavespeed": ("huggingface/flux.1-dev", {**GOES_ON, "media_type": "image/jpeg"}),
    "nscale": ("huggingface/stable-diffusion-xl", AT_ONCE),
    "hf-inference": ("huggingface/stable-diffusion-3-medium", {**AT_ONCE, "seed_at": ("parameters", "seed")}),
}


def patient(time: FakeTime) -> HttpClient:
    """A client that gives up on a model that is being loaded before the faults of a test are used up."""
    return client(time, timeouts=Timeouts(connect_s=5, read_s=5, total_s=900))


@pytest.fixture
async def http(time: FakeTime) -> AsyncIterator[HttpClient]:
    async with patient(time) as made:
        yield made


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, sandbox: Sandbox, http: HttpClient, time: FakeTime) -> ProviderCase:
    route = str(request.param)
    name, special = CASES[route]
    known = model(name)
    through = known.parameters["route"].model_copy(update={"default": route})

    def opened(client: HttpClient, key: Secret) -> Provider:
        return open_provider("huggingface", client, key=key, sandbox_url=sandbox.url)

    def another() -> AbstractAsyncContextManager[HttpClient]:
        return patient(time)

    return ProviderCase(
        name="huggingface",
        model=known.model_copy(update={"parameters": {**known.parameters, "route": through}}),
        other=None,
        open=opened,
        client=another,
        http=http,
        key="k0123456789-huggingface:abcdefghijkl",
        generation_path="/huggingface/router",
        size=(256, 256),
        choice="route",
        **special,
    )


def test_every_price_of_a_route_is_one_of_the_model_s_routes() -> None:
    for name in {name for name, _ in CASES.values()}:
        price = model(name).price
        if isinstance(price, PerImage):
            assert all(tier.when["route"] in model(name).parameters["route"].choices for tier in price.tiers)
