"""A sandbox on a free port that does not pretend to work, and a client for its wire and its truth."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import numpy as np
import pytest
from PIL import Image

from mintmark.sandbox import Sandbox

OPENAI = {"Authorization": "Bearer test-key"}
FAL = {"Authorization": "Key test-id:test-secret"}


@dataclass
class Probe:
    """Plain HTTP against a sandbox."""

    url: str
    session: aiohttp.ClientSession

    async def send(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        """Status and JSON body of one request."""
        async with self.session.request(method, self.url + path, **more) as reply:
            return reply.status, await reply.json()

    async def openai(self, path: str, body: Any) -> tuple[int, Any]:
        return await self.send("POST", f"/openai/v1{path}", json=body, headers=OPENAI)

    async def fal(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        return await self.send(method, f"/fal{path}", json=body, headers=FAL)

    async def fail(self, *faults: dict[str, Any], seed: int = 0) -> None:
        status, told = await self.send("PUT", "/_sandbox/faults", json={"faults": list(faults), "seed": seed})
        assert status == 200, told

    async def bill(self) -> dict[str, Any]:
        return (await self.send("GET", "/_sandbox/bill"))[1]

    async def calls(self, kind: str = "generation") -> list[dict[str, Any]]:
        return (await self.send("GET", f"/_sandbox/calls?kind={kind}"))[1]

    async def fetch(self, url: str) -> tuple[int, bytes]:
        """A media file; no key goes with it."""
        async with self.session.get(url) as reply:
            return reply.status, await reply.read()


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(latency_s=0) as running:
        yield running


@pytest.fixture
async def probe(sandbox: Sandbox) -> AsyncIterator[Probe]:
    async with aiohttp.ClientSession() as session:
        yield Probe(sandbox.url, session)


def png_of(colour: tuple[int, ...] = (40, 120, 200), size: tuple[int, int] = (64, 64)) -> bytes:
    out = io.BytesIO()
    Image.new("RGBA" if len(colour) == 4 else "RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def mask_of(size: tuple[int, int], clear: tuple[int, int, int, int]) -> bytes:
    """OpenAI's polarity: alpha 0 inside the box (left, top, right, bottom) is where to edit."""
    image = Image.new("RGBA", size, (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), clear)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def white_mask_of(size: tuple[int, int], white: tuple[int, int, int, int]) -> bytes:
    """fal's polarity: white inside the box is where to repaint."""
    image = Image.new("L", size, 0)
    image.paste(255, white)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def pixels_of(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image.convert("RGB"), np.int64)
