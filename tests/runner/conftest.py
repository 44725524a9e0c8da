"""A runner with the probe nodes, and a client on it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mintmark.runner import Runner, surface

# The probe is also run by itself, to record a real ComfyUI, so it is a package of its own beside these tests.
sys.path.insert(0, str(Path(__file__).parent))
surface.install()


@pytest.fixture
async def runner(tmp_path: Path) -> AsyncIterator[Runner]:
    from runner_probe import local, nodes, pixel_nodes

    packs = [nodes.comfy_entrypoint, pixel_nodes.comfy_entrypoint, local.LocalExtension()]
    async with Runner(base_dir=tmp_path / "base", extensions=packs, max_prompts=256) as opened:
        yield opened


@pytest.fixture
async def http(runner: Runner) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(runner.url) as session:
        yield session


class Client:
    """One client: its id, its socket and what it has heard."""

    def __init__(self, http: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse, client_id: str) -> None:
        self.http = http
        self.socket = socket
        self.client_id = client_id

    async def post(self, graph: dict[str, Any], **body: Any) -> dict[str, Any]:
        async with self.http.post("/prompt", json={"prompt": graph, "client_id": self.client_id, **body}) as reply:
            answer: dict[str, Any] = await reply.json()
            assert reply.status == 200, answer
            return answer

    async def until(self, event: str, **data: Any) -> dict[str, Any]:
        """The next event of this name with these values."""
        while True:
            message = await asyncio.wait_for(self.socket.receive_json(), 60)
            if message["type"] == event and all(message["data"].get(key) == value for key, value in data.items()):
                return dict(message["data"])

    async def run(self, graph: dict[str, Any], **body: Any) -> dict[str, Any]:
        """Post and wait for the end; returns the history entry."""
        prompt_id = (await self.post(graph, **body))["prompt_id"]
        await self.until("executing", node=None, prompt_id=prompt_id)
        async with self.http.get(f"/history/{prompt_id}") as reply:
            return dict((await reply.json())[prompt_id])


@asynccontextmanager
async def client_of(http: aiohttp.ClientSession, client_id: str = "one") -> AsyncIterator[Client]:
    async with http.ws_connect(f"/ws?clientId={client_id}") as socket:
        await asyncio.wait_for(socket.receive_json(), 60)
        yield Client(http, socket, client_id)


@pytest.fixture
async def client(http: aiohttp.ClientSession) -> AsyncIterator[Client]:
    async with client_of(http) as opened:
        yield opened


@pytest.fixture
def connect() -> Any:
    return client_of
