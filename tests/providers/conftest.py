"""What the provider tests share: time that does not pass, a client with it, small pictures, servers on real ports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import date
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from PIL import Image

from mintmark import log
from mintmark.providers.base import Accepted, Prepared, Provider
from mintmark.providers.bfl import Bfl
from mintmark.providers.fal import Fal
from mintmark.providers.http import HttpClient, Retries, Timeouts
from mintmark.providers.model import Model
from mintmark.providers.models import Catalog
from mintmark.providers.replicate import Replicate
from mintmark.providers.request import GenerationRequest, SourceImage
from mintmark.providers.secret import Secret
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.provider import Truth, ignore

KEY = "sk-test-0123456789abcdef"
TODAY = date(2026, 11, 21)
USUAL: dict[str, dict[str, Any]] = {
    "bfl": {"model": "bfl/flux-2-pro", "width": 64, "height": 64},
    "fal": {"model": "fal/flux-schnell", "width": 64, "height": 64},
    "replicate": {"model": "replicate/flux-1.1-pro"},
}
"""What is asked of a provider where a test does not care."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakeTime:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        # A moment of real time lets a server on the same loop do its work.
        await asyncio.sleep(0.001)


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
async def http(time: FakeTime) -> AsyncIterator[HttpClient]:
    async with client(time) as made:
        yield made


def client(time: FakeTime, **more: object) -> HttpClient:
    """A client whose waiting costs no time and whose jitter is the largest there is."""
    given: dict[str, object] = {
        "timeouts": Timeouts(connect_s=5, read_s=5, total_s=3000),
        "retries": Retries(attempts=3, first_s=0.5, longest_s=8),
        **more,
    }
    return HttpClient(sleep=time.sleep, clock=time.clock, random=lambda: 1.0, **given)  # type: ignore[arg-type]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """A server on a real port that gives every request to ``handler``; yields its URL."""
    app = web.Application(client_max_size=2**28)
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


def picture(width: int = 64, height: int = 64, color: object = (40, 90, 160), kind: str = "PNG") -> SourceImage:
    """A plain image file."""
    file = BytesIO()
    Image.new("RGB", (width, height), color).save(file, kind)  # type: ignore[arg-type]
    return SourceImage(data=file.getvalue(), media_type=f"image/{kind.lower()}")


def half_mask(width: int = 64, height: int = 64) -> SourceImage:
    """White (repaint) on the left half."""
    mask = Image.new("L", (width, height), 0)
    mask.paste(255, (0, 0, width // 2, height))
    file = BytesIO()
    mask.save(file, "PNG")
    return SourceImage(data=file.getvalue(), media_type="image/png")


@pytest.fixture(autouse=True)
def _forget_secrets() -> Iterator[None]:
    """Secrets are remembered for a process; a test must not mask another one's text."""
    before = set(log._secrets)
    yield
    log._secrets.clear()
    log._secrets.update(before)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(latency_s=0) as running:
        yield running


@pytest.fixture
async def truth(sandbox: Sandbox) -> AsyncIterator[Truth]:
    async with aiohttp.ClientSession() as session:
        yield Truth(sandbox.url, session)


@pytest.fixture
def bfl(sandbox: Sandbox, http: HttpClient) -> Bfl:
    return Bfl.open(http, key=Secret("bfl-key-0123456789abcdef"), sandbox_url=sandbox.url)


@pytest.fixture
def fal(sandbox: Sandbox, http: HttpClient) -> Fal:
    return Fal.open(http, key=Secret("fal-id-0123:fal-secret-4567"), sandbox_url=sandbox.url)


@pytest.fixture
def replicate(sandbox: Sandbox, http: HttpClient) -> Replicate:
    return Replicate.open(http, key=Secret("r8_0123456789abcdefghijkl"), sandbox_url=sandbox.url)


def model(name: str) -> Model:
    return Catalog.load().get(name, TODAY)


def prepared(provider: Provider, name: str = "", **asked: Any) -> Prepared:
    """A boat, small where the model lets one choose; ``name`` is one of the provider's models, with or without it."""
    usual = USUAL[provider.name]
    known = model(name if "/" in name else f"{provider.name}/{name}" if name else usual["model"])
    given = {"task": "text-to-image", "prompt": "a boat", **usual, "model": known.name, **asked}
    return provider.prepare(known, GenerationRequest.model_validate(given))


async def left_alone(provider: Provider, ready: Prepared) -> Accepted:
    """A call that was accepted and that nobody waits for."""
    found: list[Accepted] = []

    class Left(Exception):
        pass

    async def on_accepted(accepted: Accepted) -> None:
        found.append(accepted)
        raise Left

    with pytest.raises(Left):
        await provider.ask(ready, call_id="c", on_accepted=on_accepted)
    return found[0]


async def drawn(provider: Provider, ready: Prepared) -> Image.Image:
    """The first picture of a call, as pixels."""
    answer = await provider.ask(ready, call_id="c", on_accepted=ignore)
    return Image.open(BytesIO(await provider.fetch(answer.images[0]))).convert("RGB")
