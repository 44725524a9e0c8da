"""A service and its runner for measuring what a durable job costs, and the bare client that it is held against."""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from .processes import Server, environment, telling
from .report import NotRun

SIDE = 64


@dataclass(frozen=True)
class Made:
    """Where they are."""

    url: str
    runner_url: str
    service: Server


def plain_graph(number: int) -> dict[str, Any]:
    """A picture of one colour, saved: what a worker does in no time, so that what is around it is measured."""
    return {
        "1": {
            "class_type": "EmptyImage",
            "inputs": {"width": SIDE, "height": SIDE, "batch_size": 1, "color": number % 0xFFFFFF},
        },
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "bench/plain"}},
    }


def plain_workflow() -> dict[str, Any]:
    """The same as a workflow of the service."""
    return {
        "format": 1,
        "name": "bench-plain",
        "version": "1.0.0",
        "title": "One colour",
        "description": "A picture of one colour.",
        "lane": "hosted",
        "inputs": [
            {
                "name": "color",
                "type": "integer",
                "title": "Colour",
                "default": 0,
                "limits": {"min": 0, "max": 16777215},
                "binds": [{"node": "1", "input": "color"}],
            }
        ],
        "outputs": [{"name": "image", "node": "2", "kind": "images"}],
        "requires": {"nodes": ["EmptyImage", "SaveImage"]},
        "graph": plain_graph(0),
    }


@asynccontextmanager
async def service(folder: Path) -> AsyncIterator[Made]:
    """The real service as a process of its own, with a runner; its delivery neither judges nor signs what is plain."""
    flows = folder / "flows" / "bench-plain"
    flows.mkdir(parents=True)
    (flows / "1.0.0.json").write_text(json.dumps(plain_workflow()), encoding="utf-8")
    env = environment(
        MINTMARK_DATA_DIR=str(folder / "data"), MINTMARK_SANDBOX="1", MINTMARK_WORKFLOWS=str(flows.parent)
    )
    command = [sys.executable, "-m", "mintmark.bench.harness.unsigned_service"]
    with telling(command, folder / "service.log", env) as server:
        yield Made(server.url, str(server.told["workers"][0]), server)


class Plain:
    """A bare client: one websocket, one prompt after another, the file by ``/view``. What a thin wrapper does."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stack = AsyncExitStack()
        self._waiting: dict[str, asyncio.Future[None]] = {}

    async def __aenter__(self) -> Plain:
        connector = aiohttp.TCPConnector(limit=100)
        self._http = await self._stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        self._id = uuid.uuid4().hex
        opening = self._http.ws_connect(f"{self._url}/ws?clientId={self._id}", max_msg_size=0)
        socket = await self._stack.enter_async_context(opening)
        reader = asyncio.create_task(self._read(socket), name="bare client")
        self._stack.callback(reader.cancel)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse[Any]) -> None:
        async for message in socket:
            if not isinstance(message.data, str) or '"execution_success"' not in message.data:
                continue
            told = json.loads(message.data)
            waiting = self._waiting.pop(told["data"].get("prompt_id", ""), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(None)

    async def run(self, number: int) -> None:
        """One prompt, to its file's bytes."""
        prompt_id = str(uuid.uuid4())
        over = self._waiting[prompt_id] = asyncio.get_running_loop().create_future()
        body = {"prompt": plain_graph(number), "prompt_id": prompt_id, "client_id": self._id}
        async with self._http.post(f"{self._url}/prompt", json=body) as reply:
            if reply.status != 200:
                raise NotRun(f"a prompt was refused: {await reply.text()}")
        await over
        async with self._http.get(f"{self._url}/history/{prompt_id}") as reply:
            file = (await reply.json())[prompt_id]["outputs"]["2"]["images"][0]
        query = {key: file[key] for key in ("filename", "subfolder", "type")}
        async with self._http.get(f"{self._url}/view", params=query) as reply:
            if reply.status != 200 or not await reply.read():
                raise NotRun("the file cannot be fetched")
