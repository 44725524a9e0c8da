"""Ideogram's v1 as its wire speaks it: forms in, names of images out, which are fetched by signed URLs.

A harmful prompt or image is refused with 422 and costs nothing. A result that is withheld is a 200 with
``is_image_safe`` false and no URL; whether it is billed is documented nowhere, and here it is, as the worse of the two.
Files are drawn when they are fetched; a sandbox that starts again does not know those of an earlier one.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import web

from ..clock import utc_now
from . import picture, signing
from .base import Provider, Route
from .exchange import Desk, Exchange, Part
from .faults import Kind
from .ideogram_pictures import draw, is_safe
from .ideogram_request import UNSAFE, Asked, Refused, read_form
from .ideogram_services import SERVICES, Service

PROVIDER = "ideogram"
LIFETIME_S = 24 * 3600.0
"""How long a file's URL works: one reseller's word, as Ideogram says "a limited period of time"."""
_POLICY_FAULTS: frozenset[Kind] = frozenset(("policy_input", "policy_output"))
_MEDIA_FAULTS: frozenset[Kind] = frozenset(("corrupt_image", "expired_url"))
_FILES = "/api/images/ephemeral"
_SUCCESSOR = '<https://developer.ideogram.ai/v2/api-reference/images/inpaint/ideogram-3>; rel="successor-version"'
_DEPRECATED = {"Deprecation": "@1777420800", "Link": _SUCCESSOR}

_Handler = Callable[[Exchange], Awaitable[web.Response]]


@dataclass(frozen=True)
class _Made:
    """One image that was answered: enough to draw it."""

    service: Service
    parts: tuple[Part, ...]
    index: int


class Ideogram(Provider):
    """The stand-in for api.ideogram.ai, and for ideogram.ai where its files are."""

    name = PROVIDER

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._made: dict[str, _Made] = {}

    def routes(self) -> tuple[Route, ...]:
        posts = tuple(
            Route("POST", f"/v1/{path}", _guarded(partial(self._make, service)), "generation", _POLICY_FAULTS)
            for path, service in SERVICES.items()
        )
        return (
            *posts,
            Route("GET", "/models", _guarded(self._models)),
            Route("GET", f"{_FILES}/{{name}}", self._file, "media", _MEDIA_FAULTS),
        )

    async def start(self) -> None:
        """Nothing is kept."""

    async def stop(self) -> None:
        """Nothing runs on."""

    def reset(self) -> None:
        self._made.clear()

    def new_request_id(self) -> str:
        # Of the length and the letters of the names in the vendor's examples: a call is known by its first file.
        return uuid.uuid4().hex[:22]

    def refusal(self, exchange: Exchange, status: int, retry_after: float | None) -> web.Response:
        answer = _error(status, _STATUS_ERRORS.get(status, "Internal server error"))
        if retry_after is not None:
            answer.headers["Retry-After"] = f"{retry_after:g}"
        return answer

    def unknown(self, exchange: Exchange) -> web.Response:
        return _error(404, "Not found")

    async def _make(self, service: Service, exchange: Exchange) -> web.Response:
        if exchange.request.content_type != "multipart/form-data":
            raise Refused(400, "Content-Type must be multipart/form-data")
        asked = await asyncio.to_thread(read_form, service, exchange.parts, self._desk.seed)
        if exchange.meets("policy_input"):
            raise Refused(422, UNSAFE)
        await asyncio.to_thread(asked.check_policy)
        await asyncio.sleep(self._desk.latency_s)
        created, data = utc_now().isoformat(), []
        for index in range(asked.count):
            safe = not exchange.meets("policy_output") and await asyncio.to_thread(is_safe, asked, index)
            data.append(self._told(exchange, asked, index, safe=safe))
        # A call is known by its first file, and one without any by its time and seed.
        first = next((index for index, one in enumerate(data) if one["is_image_safe"]), None)
        self._charge(asked, f"{created} {asked.seed(0)}" if first is None else _name(exchange, first))
        answer = _json({"created": created, "data": data})
        if service.path.endswith("/edit"):
            answer.headers.update(_DEPRECATED)
        return answer

    def _told(self, exchange: Exchange, asked: Asked, index: int, *, safe: bool) -> dict[str, Any]:
        told = {
            "url": self._url(exchange, asked, index) if safe else None,
            "prompt": asked.prompt,
            "resolution": asked.resolution,
            "is_image_safe": safe,
            "seed": asked.seed(index),
        }
        if "style_type" in asked.service.texts:
            told["style_type"] = asked.texts.get("style_type", "GENERAL")
        return told

    def _url(self, exchange: Exchange, asked: Asked, index: int) -> str:
        name = _name(exchange, index)
        self._made[name] = _Made(asked.service, exchange.parts, index)
        path, until = f"/{PROVIDER}{_FILES}/{name}.png", f"{time.time() + LIFETIME_S:.0f}"
        return f"{exchange.origin}{path}?exp={until}&sig={signing.signature(path, until)}"

    async def _models(self, exchange: Exchange) -> web.Response:
        """The account's custom models, of which it has none."""
        return _json({"models": []})

    async def _file(self, exchange: Exchange) -> web.Response:
        query, name = exchange.request.query, exchange.request.match_info["name"].removesuffix(".png")
        until = query.get("exp", "")
        good = signing.is_good(exchange.request.path, until, query.get("sig", ""))
        if exchange.meets("expired_url") or not good:
            return _error(403, "This link has expired.")
        if (made := self._made.get(name)) is None:
            return _error(404, "Not found")
        asked = await asyncio.to_thread(read_form, made.service, made.parts, self._desk.seed)
        data = await asyncio.to_thread(draw, asked, made.index)
        data = picture.corrupted(data) if exchange.meets("corrupt_image") else data
        return web.Response(body=data, content_type="image/png")

    def _charge(self, asked: Asked, request_id: str) -> None:
        self._desk.books.charge(
            provider=PROVIDER,
            model=asked.service.path,
            request_id=request_id,
            client_request_id=None,
            microusd=asked.microusd * asked.count,
            images=asked.count,
            usage={"images": asked.count},
        )


_STATUS_ERRORS = {
    400: "Invalid input provided.",
    401: "Not authorized to generate an image.",
    402: "Insufficient credits.",
    403: "Not authorized to generate an image.",
    404: "Not found",
    422: "The request cannot be processed.",
    429: "Too many requests.",
    503: "The service is unavailable.",
}


def _guarded(handler: _Handler) -> _Handler:
    """The handler behind the check of the key; what it refuses is told in the vendor's shape."""

    async def guarded(exchange: Exchange) -> web.Response:
        key = exchange.request.headers.get("Api-Key", "").strip()
        if not key or key.startswith("bad-"):
            return _error(401, _STATUS_ERRORS[401])
        try:
            return await handler(exchange)
        except Refused as refused:
            if refused.status == 422:
                exchange.outcome = "blocked"
            return _error(refused.status, refused.text)

    return guarded


def _name(exchange: Exchange, index: int) -> str:
    return f"{exchange.request_id}-{index}" if index else exchange.request_id


def _error(status: int, text: str) -> web.Response:
    return _json({"error": text}, status)


def _json(body: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=json.dumps(body).encode(), status=status, content_type="application/json")
