"""The client of every worker: prompts in over HTTP, their ends heard on one websocket.

Lean, so that it is the worker that is measured: posts go over a few kept connections with no more HTTP than they need,
and of the events only those that end a prompt are parsed.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from .graphs import Graph
from .report import NotRun

POSTERS = 4
"""Connections over which prompts are posted side by side."""
_ENDS = ("execution_success", "execution_error", "execution_interrupted")


@dataclass(frozen=True)
class Run:
    """What came of a batch of prompts. Times are seconds since the first post."""

    seconds: float
    posted_s: float
    ends: dict[str, str]
    """The last word on each prompt id: ``execution_success`` or what it was instead."""
    trouble: str = ""


def drive(url: str, graphs: Sequence[Graph], *, limit_s: float = 80.0) -> Run:
    """Post every graph at once, wait until all are over. Raises NotRun where one fails or the time is up."""
    run = asyncio.run(_drive(url, graphs, limit_s))
    good = list(run.ends.values()).count("execution_success")
    if good != len(graphs):
        raise NotRun(f"{good} of {len(graphs)} prompts succeeded: {run.trouble}")
    return run


async def _drive(url: str, graphs: Sequence[Graph], limit_s: float) -> Run:
    client_id = uuid.uuid4().hex
    prompts = {str(uuid.uuid4()): graph for graph in graphs}
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        socket = await stack.enter_async_context(http.ws_connect(f"{url}/ws?clientId={client_id}", max_msg_size=0))
        heard = asyncio.ensure_future(_hear(socket, set(prompts)))
        started = time.perf_counter()
        try:
            await _post_all(url, client_id, prompts)
            posted = time.perf_counter() - started
            ends, trouble = await asyncio.wait_for(heard, limit_s)
        except asyncio.TimeoutError as error:
            raise NotRun(f"not all of {len(graphs)} prompts were over after {limit_s:g} s") from error
        finally:
            heard.cancel()
        return Run(time.perf_counter() - started, posted, ends, trouble)


async def _hear(socket: aiohttp.ClientWebSocketResponse[Any], waited: set[str]) -> tuple[dict[str, str], str]:
    """How each prompt ended, once the worker has said of all of them that nothing runs any more."""
    ends: dict[str, str] = {}
    trouble = ""
    async for message in socket:
        text = message.data
        # Parsing every event of every node would make the client the slow part.
        if not isinstance(text, str) or not ("execution_" in text or '"node": null' in text):
            continue
        told = json.loads(text)
        data, prompt_id = told["data"], told["data"].get("prompt_id", "")
        if told["type"] in _ENDS:
            ends[prompt_id] = told["type"]
            trouble = trouble or str(data.get("exception_message", ""))
        elif told["type"] == "executing" and data.get("node") is None:
            waited.discard(prompt_id)
        if not waited:
            break
    return ends, trouble


async def _post_all(url: str, client_id: str, prompts: Mapping[str, Graph]) -> None:
    waiting = iter(prompts.items())

    async def post() -> None:
        async with _Posts(url) as posts:
            for prompt_id, graph in waiting:
                body = {"prompt": graph, "prompt_id": prompt_id, "client_id": client_id}
                await posts.post("/prompt", json.dumps(body).encode())

    await asyncio.gather(*(post() for _ in range(min(POSTERS, len(prompts)))))


class _Posts:
    """One kept connection: no more of HTTP than ``/prompt`` needs."""

    def __init__(self, url: str) -> None:
        self._place = urlsplit(url)

    async def __aenter__(self) -> _Posts:
        self._reader, self._writer = await asyncio.open_connection(self._place.hostname, self._place.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def post(self, path: str, body: bytes) -> bytes:
        head = f"POST {path} HTTP/1.1\r\nHost: {self._place.netloc}\r\nContent-Type: application/json\r\n"
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(answer.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        told = await self._reader.readexactly(length)
        if b" 200 " not in answer.split(b"\r\n", 1)[0]:
            raise NotRun(f"{path} was refused: {told[:300].decode(errors='replace')}")
        return told
