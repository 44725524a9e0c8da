"""A receiver of webhooks on a real port, that does as it is told; and names that mean what a test says."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Message:
    """One delivery as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """``url`` is where it listens; ``got`` what it was sent, whatever it answered."""

    port: int = 0
    got: list[Message] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    """Given one after the other; then it says 200."""
    came: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.got.append(Message(request.path_qs, dict(request.headers), await request.read()))
        self.came.set()
        answer = self.answers.pop(0) if self.answers else saying(200, "thanks")
        return await answer(request)

    async def wait(self, count: int = 1) -> list[Message]:
        """What came, once it is so many."""
        while len(self.got) < count:
            self.came.clear()
            await asyncio.wait_for(self.came.wait(), 60)
        return self.got


def saying(status: int, text: str = "", **headers: str) -> Answer:
    """An answer."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=text, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


def closing() -> Answer:
    """No answer: the connection is closed."""

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    return answer


def never(gate: asyncio.Event) -> Answer:
    """No answer until the gate opens."""

    async def answer(_request: web.Request) -> web.Response:
        await gate.wait()
        return web.Response()

    return answer


@asynccontextmanager
async def receiving(*answers: Answer, ssl: Any = None) -> AsyncIterator[Receiver]:
    """A receiver that is there for a while."""
    receiver = Receiver(answers=list(answers))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl)
    await site.start()
    receiver.port = runner.addresses[0][1]
    try:
        yield receiver
    finally:
        await runner.cleanup()


class Names(AbstractResolver):
    """Each name means its addresses in turn, and the last of them from then on."""

    def __init__(self, **names: list[list[str]]) -> None:
        self.names = {name.replace("_", "."): list(turns) for name, turns in names.items()}
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked.append(host)
        if (turns := self.names.get(host)) is None:
            raise OSError(f"no such host {host}")
        addresses = turns.pop(0) if len(turns) > 1 else turns[0]
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
            for address in addresses
        ]

    async def close(self) -> None:
        pass
