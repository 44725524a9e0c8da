"""A service, or what stands before one, that answers each path as it was told beforehand: at the wire, byte by byte."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

HTML = b"<html><body>502 Bad Gateway</body></html>"


@dataclass(frozen=True)
class Said:
    """One answer. ``cut``: the line is broken after the body, where the answer would go on. ``open``: nothing more is
    said, and the line stays as it is until the other side leaves."""

    status: int = 200
    body: bytes = b""
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    open: bool = False


GATEWAY = Said(502, HTML, "text/html")
BUSY = Said(429, b'{"code": "too_many_requests", "detail": "No."}', headers={"Retry-After": "0"})
STOPPING = Said(503, b'{"code": "service_stopping", "detail": "No.", "retry_after_s": 0}')
NO_JSON = Said(200, HTML, "text/html")


def job(status: str = "succeeded", **more: Any) -> Said:
    return Said(body=json.dumps({"job_id": "j", "status": status, **more}).encode())


def events(*kinds: str, rest: bytes = b"", first: int = 1, cut: bool = False) -> Said:
    """Events with their numbers, and then what is left of one."""
    whole = "".join(f"id: {seq}\nevent: {kind}\ndata: {{}}\n\n" for seq, kind in enumerate(kinds, first))
    return Said(body=whole.encode() + rest, kind="text/event-stream", cut=cut)


@dataclass
class Scripted:
    """``heard``: the body and headers of each request, by path."""

    url: str = ""
    said: dict[str, list[Said]] = field(default_factory=lambda: defaultdict(list))
    heard: dict[str, list[tuple[bytes, Mapping[str, str]]]] = field(default_factory=lambda: defaultdict(list))

    def says(self, path: str, *answers: Said) -> None:
        """In this order; the last one again and again."""
        self.said[path].extend(answers)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.heard[request.path].append((await request.read(), request.headers))
        left = self.said[request.path]
        told = left.pop(0) if len(left) > 1 else left[0]
        response = web.StreamResponse(status=told.status, headers={"Content-Type": told.kind, **told.headers})
        await response.prepare(request)
        await response.write(told.body)
        if told.open:
            await asyncio.sleep(3600)
        if not told.cut:
            await response.write_eof()
        elif request.transport is not None:
            request.transport.close()
        return response


@asynccontextmanager
async def scripted() -> AsyncIterator[Scripted]:
    """One on a free port."""
    made = Scripted()
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", made.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()
