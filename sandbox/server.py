"""The sandbox server: one port, a path prefix for each provider, and ``/_sandbox`` to steer it and to learn the truth.

| | |
|---|---|
| ``GET /_sandbox/health`` | ``{"status": "ok", "sandbox": true, "providers": [...]}`` |
| ``GET, PUT, DELETE /_sandbox/faults`` | what goes wrong; the schema is in ``faults.py`` |
| ``GET /_sandbox/calls`` | every generation request as received (``?kind=moderation``, ``media``, ``any`` for others) |
| ``GET /_sandbox/bill`` | what the providers would have charged, line by line |
| ``POST /_sandbox/reset`` | forgets everything: calls, bill, faults, queued requests, uploads |
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from aiohttp import web
from typing_extensions import Self

from .. import log
from ..discovery import members
from ..errors import BadSetting, InvalidInput
from .azure import Azure
from .base import Provider, Route
from .bedrock import Bedrock
from .bfl import Bfl
from .books import Books
from .delivery import cut, deliver
from .exchange import Desk, Exchange, described, received
from .fal import Fal
from .faults import Faults
from .firefly import Firefly
from .google import Google
from .huggingface import HuggingFace
from .ideogram import Ideogram
from .openai import OpenAI
from .rekognition import Rekognition
from .replicate import Replicate
from .stability import Stability

PROVIDERS: tuple[Any, ...] = (
    OpenAI,
    Fal,
    Bfl,
    Stability,
    Replicate,
    Azure,
    Bedrock,
    Ideogram,
    HuggingFace,
    Google,
    Rekognition,
    Firefly,
)
"""To add a stand-in: write its file and add its class here."""
_LARGEST_BODY = 512 * 1024 * 1024
_GRACE_S = 2.0

_log = log.get("sandbox")


class Sandbox:
    """The server as an async context manager: ``async with Sandbox() as sandbox: ... sandbox.url``.

    ``latency_s`` is how long a generation pretends to work; ``seed`` moves all pictures that have no seed of their own;
    ``state`` is a file for calls, bill and queue, so that they outlive a killed sandbox (uploaded files do not).
    Raises :class:`BadSetting` where the port or that file cannot be had.
    """

    def __init__(
        self,
        port: int = 0,
        host: str = "127.0.0.1",
        *,
        latency_s: float = 0.15,
        seed: int = 0,
        state: Path | None = None,
    ) -> None:
        self._host, self._port = host, port
        self._books = Books(state)
        self._faults = Faults()
        desk = Desk(self._books, latency_s, seed)
        known = members("stand-in", PROVIDERS, Provider, needs={})
        self._providers: tuple[Provider, ...] = tuple(make(desk) for make in known.values())
        self._desk = desk
        self._runner: web.AppRunner | None = None
        self._closed = asyncio.Event()

    @property
    def url(self) -> str:
        """The origin, such as ``http://127.0.0.1:8500``; the port is known once the server has started."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    async def __aenter__(self) -> Self:
        self._books.load()
        try:
            await self._listen()
        except BaseException:
            self._books.release()
            raise
        for provider in self._providers:
            await provider.start()
        _log.info("sandbox listens on %s", self.url, extra=log.action("sandbox_started", url=self.url))
        return self

    async def _listen(self) -> None:
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=_GRACE_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError as error:
            await runner.cleanup()
            raise BadSetting(
                f"the sandbox cannot listen on {self._host}:{self._port}: {error.strerror}",
                hint="choose another --port, or 0 for any free one",
            ) from error
        self._runner = runner
        self._port = runner.addresses[0][1]

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        # Requests in flight are answered first (fal's synchronous ones wait for their job), then the queue ends.
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        for provider in self._providers:
            await provider.stop()
        self._books.release()

    async def serve_forever(self) -> None:
        """Wait until the sandbox is closed, or this is cancelled."""
        await self._closed.wait()

    def stop(self) -> None:
        """Make :meth:`serve_forever` return."""
        self._closed.set()

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=_LARGEST_BODY)
        for provider in self._providers:
            for route in provider.routes():
                handler = self._served(provider, route)
                app.router.add_route(route.method, f"/{provider.name}{route.path}", handler)
            app.router.add_route("*", f"/{provider.name}/{{rest:.*}}", self._unknown(provider))
        app.router.add_get("/_sandbox/health", self._health)
        app.router.add_get("/_sandbox/faults", self._show_faults)
        app.router.add_put("/_sandbox/faults", self._set_faults)
        app.router.add_delete("/_sandbox/faults", self._clear_faults)
        app.router.add_get("/_sandbox/calls", self._calls)
        app.router.add_get("/_sandbox/bill", self._bill)
        app.router.add_post("/_sandbox/reset", self._reset)
        return app

    def _served(self, provider: Provider, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def served(request: web.Request) -> web.StreamResponse:
            exchange = await received(request, self._desk, provider.new_request_id())
            exchange.fault = self._faults.draw(provider.name, request.method, request.path, route.faults)
            call = None
            if route.kind:
                call = self._books.receive(kind=route.kind, provider=provider.name, **described(exchange))
            if exchange.meets("drop_before"):
                answer = cut(request)
            else:
                answer = await _answered(provider, route, exchange)
            if call is not None:
                status = None if exchange.meets("drop_before") else answer.status
                self._books.close(call, _outcome(exchange, answer.status), status)
            return await deliver(request, answer, exchange.fault)

        return served

    def _unknown(self, provider: Provider) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def unknown(request: web.Request) -> web.StreamResponse:
            return provider.unknown(await received(request, self._desk, provider.new_request_id()))

        return unknown

    async def _health(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {"status": "ok", "sandbox": True, "providers": [provider.name for provider in self._providers]}
        )

    async def _show_faults(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {"faults": [fault.as_dict() for fault in self._faults.entries], "seed": self._faults.seed}
        )

    async def _set_faults(self, request: web.Request) -> web.Response:
        try:
            self._faults.replace(json.loads(await request.read()), [provider.name for provider in self._providers])
        except InvalidInput as error:
            return web.json_response({"error": error.as_dict()}, status=400)
        except ValueError:
            told = InvalidInput("faults: the body is not JSON").as_dict()
            return web.json_response({"error": told}, status=400)
        return await self._show_faults(request)

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self._faults.clear()
        return await self._show_faults(request)

    async def _calls(self, request: web.Request) -> web.Response:
        kind = request.query.get("kind", "generation")
        return web.json_response([asdict(call) for call in self._books.calls if kind in ("any", call.kind)])

    async def _bill(self, _request: web.Request) -> web.Response:
        return web.json_response(self._books.bill())

    async def _reset(self, _request: web.Request) -> web.Response:
        for provider in self._providers:
            provider.reset()
        self._faults.clear()
        self._books.clear()
        return web.json_response({"status": "ok"})


async def _answered(provider: Provider, route: Route, exchange: Exchange) -> web.Response:
    fault = exchange.fault
    if fault is not None and fault.kind == "status" and fault.status is not None:
        return provider.refusal(exchange, fault.status, fault.retry_after)
    return await route.handler(exchange)


def _outcome(exchange: Exchange, status: int) -> str:
    if exchange.outcome:
        return exchange.outcome
    if exchange.fault is not None:
        return f"status {status}" if exchange.fault.kind == "status" else exchange.fault.kind
    return "ok" if status < 400 else "refused"
