"""Both adapters against the contract, over the sandbox's wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import date

import aiohttp
import pytest

from mintmark.providers.base import Provider
from mintmark.providers.http import HttpClient
from mintmark.providers.models import Catalog
from mintmark.providers.registry import open_provider
from mintmark.providers.secret import Secret
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.provider import *  # noqa: F403 - the contract's tests are this file's
from mintmark.tests.contracts.provider import ProviderCase, Truth
from mintmark.tests.providers.conftest import FakeTime, client

CASES = {
    "openai": ("openai/gpt-image-2", "openai/gpt-image-2", "images"),
    "fal": ("fal/flux-schnell", "fal/flux-pro-fill", "/fal/queue/fal-ai"),
}
TODAY = date(2026, 11, 21)


@pytest.fixture
async def truth(sandbox: Sandbox) -> AsyncIterator[Truth]:
    async with aiohttp.ClientSession() as session:
        yield Truth(sandbox.url, session)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, sandbox: Sandbox, http: HttpClient, time: FakeTime) -> ProviderCase:
    name = str(request.param)
    model, other, path = CASES[name]

    def opened(client: HttpClient, key: Secret) -> Provider:
        return open_provider(name, client, key=key, sandbox_url=sandbox.url)

    def another() -> AbstractAsyncContextManager[HttpClient]:
        return client(time)

    return ProviderCase(
        name=name,
        model=Catalog.load().get(model, TODAY),
        other=Catalog.load().get(other, TODAY),
        open=opened,
        client=another,
        http=http,
        key=f"{name}-0123456789:abcdefghijkl",
        generation_path=path,
    )
