"""Provider keys from ComfyUI's page: who has one, set it, forget it, try it. A key comes in and never goes out.

========================================  ==========================================================
``GET /mintmark/keys``                    the state of each provider's key, never anything of the key
``PUT /mintmark/keys/{provider}``         ``{"key": "…"}``: kept in the keyring, or in a file only the user can read
``DELETE /mintmark/keys/{provider}``      forgets a kept key; one from the environment stays
``POST /mintmark/keys/{provider}/test``   asks the provider something free with the key
========================================  ==========================================================

Every answer is the state of the key or keys after it. Who may ask: see :mod:`nodes.pages`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import InvalidInput, MintmarkError
from .pages import for_page
from .worker import Worker

if TYPE_CHECKING:
    from aiohttp import web

    from ..generation.engine import Engine

LARGEST_BODY = 16 * 1024
"""Bytes; a key is at most 4096 characters."""


def add_key_routes(routes: Any, worker: Callable[[], Worker]) -> None:
    """Add them to a host's table. ``worker`` is asked at each call, so nothing is opened now."""
    handlers = _Handlers(worker)
    routes.get("/mintmark/keys")(for_page(worker, handlers.list))
    routes.put("/mintmark/keys/{provider}")(for_page(worker, handlers.set))
    routes.delete("/mintmark/keys/{provider}")(for_page(worker, handlers.remove))
    routes.post("/mintmark/keys/{provider}/test")(for_page(worker, handlers.test))


class _Handlers:
    """Each method answers one route with a JSON document. Keys are read in threads: a keyring may make one wait."""

    def __init__(self, worker: Callable[[], Worker]) -> None:
        self._worker = worker

    async def list(self, request: web.Request) -> dict[str, Any]:
        from ..providers.registry import names

        engine = await self._worker().engine()
        rows = [await asyncio.to_thread(_state, engine, name) for name in names()]
        return {"mode": self._worker().settings.mode, "providers": rows}

    async def set(self, request: web.Request) -> dict[str, Any]:
        name = _named(request)
        key = _given(await _body(request))
        engine = await self._worker().engine()
        await asyncio.to_thread(engine.keys.set, name, key)
        engine.keys_changed()
        return await asyncio.to_thread(_state, engine, name)

    async def remove(self, request: web.Request) -> dict[str, Any]:
        name = _named(request)
        engine = await self._worker().engine()
        await asyncio.to_thread(engine.keys.remove, name)
        engine.keys_changed()
        return await asyncio.to_thread(_state, engine, name)

    async def test(self, request: web.Request) -> dict[str, Any]:
        name = _named(request)
        engine = await self._worker().engine()
        tried = await engine.try_key(name)
        return {"provider": name, "outcome": tried.outcome, "message": tried.message, **tried.data}


def _named(request: web.Request) -> str:
    from ..providers.registry import names

    name: str = request.match_info["provider"]
    if name not in names():
        raise InvalidInput(
            f"{name!r} is no provider that can be called here.", hint=f"Providers: {', '.join(names())}."
        )
    return name


async def _body(request: web.Request) -> bytes:
    if request.content_length is None or request.content_length > LARGEST_BODY:
        raise InvalidInput("The body is too large for a key, or does not say how large it is.")
    return await request.read()


def _given(body: bytes) -> str:
    """The key of the body. No error quotes what was sent: it is a secret, or part of one."""
    try:
        sent = json.loads(body)
    except ValueError:
        sent = None
    key = sent.get("key") if isinstance(sent, dict) else None
    if not isinstance(key, str):
        raise InvalidInput('The body is not {"key": "…"}.')
    # People copy keys with the line's end.
    return key.strip()


def _state(engine: Engine, name: str) -> dict[str, Any]:
    from ..providers.keys import VARIABLES
    from ..providers.keytest import PROBES

    probe = PROBES.get(name)
    row = {
        "provider": name,
        "title": probe.title if probe else name,
        "site": probe.site if probe else None,
        "variable": VARIABLES[name][0],
    }
    try:
        return {**row, "state": engine.keys.place(name) or "missing"}
    except MintmarkError as exc:
        # A variable with a line break in it must not hide the other providers' keys.
        return {**row, "state": "unusable", "problem": f"{exc.message} {exc.hint}".strip()}
