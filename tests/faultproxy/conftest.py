"""A server to stand behind the proxy, and raw sockets to see what a client sees."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from typing_extensions import Self

from .plan import Plan, Rule
from .proxy import FaultProxy

BODY = b"0123456789" * 40


@dataclass
class Target:
    """Answers ``BODY`` to anything, and sends ``count`` numbered texts on ``/ws``."""

    seen: list[bytes] = field(default_factory=list)
    count: int = 20
    size: int = 0
    """How much longer each text is, in bytes."""
    sent: int = 0
    heard: list[str] = field(default_factory=list)
    port: int = 0

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**26)
        app.router.add_get("/ws", self._socket)
        app.router.add_get("/chunks", self._chunks)
        app.router.add_route("*", "/{any:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.seen.append(await request.read())
        return web.Response(body=BODY)

    async def _chunks(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        for start in range(0, len(BODY), 50):
            await answer.write(BODY[start : start + 50])
        return answer

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        peer = web.WebSocketResponse()
        await peer.prepare(request)
        if "listen" not in request.query:
            for number in range(self.count):
                await peer.send_str(f"{number}" + " " * self.size)
                self.sent = number + 1
            await peer.close()
        async for message in peer:
            self.heard.append(message.data)
            await peer.send_str(message.data)
        return peer


class Caller:
    """A client on a raw socket."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        self.reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._writer.transport.abort()

    def ask(self, body: bytes = b"", path: str = "/x") -> None:
        method = "POST" if body else "GET"
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)

    async def rest(self) -> tuple[bytes, str]:
        """All that still comes, and how it ended: ``end`` or ``reset``."""
        got = b""
        try:
            while data := await asyncio.wait_for(self.reader.read(4096), 60):
                got += data
        except ConnectionResetError:
            return got, "reset"
        return got, "end"

    async def answer(self) -> bytes:
        """One whole answer's body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
        return await self.reader.readexactly(int(length.split(b":")[1]))


Proxied = Callable[..., Any]


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    async with Target() as running:
        yield running


@pytest.fixture
async def proxied(target: Target) -> AsyncIterator[Proxied]:
    """Opens a proxy before the target in which one fault always strikes, or these chances hold."""
    async with AsyncExitStack() as stack:

        async def opened(fault: str | None = None, seed: int = 1, **plan: Any) -> FaultProxy:
            rules = (Rule("*", {fault: 1.0}),) if fault else plan.pop("rules", ())
            proxy = FaultProxy("127.0.0.1", target.port, seed=seed, plan=Plan(rules, **plan))
            return await stack.enter_async_context(proxy)

        yield opened


@pytest.fixture
async def call() -> AsyncIterator[Callable[[FaultProxy], Any]]:
    """Opens a raw socket to a proxy."""
    async with AsyncExitStack() as stack:

        async def opened(proxy: FaultProxy) -> Caller:
            return await stack.enter_async_context(Caller(int(proxy.url.rpartition(":")[2])))

        yield opened


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
