"""Stability's v2beta as its wire speaks it: forms in, image bytes (or JSON) out, asynchronous results, the balance.

Written from the vendor's OpenAPI. A harmful prompt is refused with 403 and costs nothing. A stopped result is a 200
whose ``finish-reason`` is CONTENT_FILTERED, with a blurred image; the vendor calls it a successful generation, so it is
billed.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import web

from . import picture
from .base import Provider, Route
from .exchange import Desk, Exchange
from .faults import Kind
from .stability_pictures import draw
from .stability_request import Asked, Refused, check_policy, flagged, read_form
from .stability_results import PROVIDER, Generations, charge
from .stability_services import MICROUSD_A_CREDIT, SERVICES, Service

_IMAGE_FAULTS: frozenset[Kind] = frozenset(("policy_input", "policy_output", "corrupt_image"))
_RESULT_FAULTS: frozenset[Kind] = frozenset(("corrupt_image", "expired_url"))
_CREDITS_AT_FIRST = 1000.0
_AS_BYTES = frozenset(("image/*", "*/*", ""))

_Handler = Callable[[Exchange], Awaitable[web.Response]]


class Stability(Provider):
    """The stand-in for api.stability.ai."""

    name = PROVIDER

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._generations = Generations(desk)

    def routes(self) -> tuple[Route, ...]:
        posts = tuple(
            Route("POST", f"/v2beta/stable-image/{path}", _guarded(self._served(service)), "generation", _IMAGE_FAULTS)
            for path, service in SERVICES.items()
        )
        return (
            *posts,
            Route("GET", "/v2beta/results/{id}", _guarded(self._result), "media", _RESULT_FAULTS),
            Route("GET", "/v1/user/balance", _guarded(self._balance)),
        )

    async def start(self) -> None:
        self._generations.take_up()

    async def stop(self) -> None:
        await self._generations.stop()

    def reset(self) -> None:
        self._generations.clear()

    def new_request_id(self) -> str:
        return uuid.uuid4().hex

    def refusal(self, exchange: Exchange, status: int, retry_after: float | None) -> web.Response:
        if status in (502, 503, 504):
            # These come from what stands before the API, and have nothing of its shape.
            answer = web.Response(status=status, text="<html><body>upstream</body></html>", content_type="text/html")
        else:
            name, text = _STATUS_ERRORS.get(status, _STATUS_ERRORS[500])
            answer = _error(exchange, status, name, text)
        if retry_after is not None:
            answer.headers["Retry-After"] = f"{retry_after:g}"
        return answer

    def unknown(self, exchange: Exchange) -> web.Response:
        return _error(exchange, 404, "not_found", "The requested resource was not found.")

    def _served(self, service: Service) -> _Handler:
        return partial(self._later if service.later else self._at_once, service)

    async def _at_once(self, service: Service, exchange: Exchange) -> web.Response:
        as_json = _wants_json(exchange)
        asked = await self._asked(service, exchange)
        await asyncio.sleep(self._desk.latency_s)
        filtered = exchange.meets("policy_output")
        data = await asyncio.to_thread(_file, asked, filtered)
        charge(self._desk, asked, exchange.request_id)
        return _image(exchange, asked, data, filtered=filtered, as_json=as_json)

    async def _later(self, service: Service, exchange: Exchange) -> web.Response:
        asked = await self._asked(service, exchange)
        filtered = exchange.meets("policy_output")
        started = self._generations.start(_key(exchange), asked, exchange.parts, filtered=filtered)
        return _json(exchange, {"id": started.generation_id})

    async def _asked(self, service: Service, exchange: Exchange) -> Asked:
        if exchange.request.content_type != "multipart/form-data":
            raise Refused(400, "bad_request", "content-type: must be multipart/form-data")
        asked = await asyncio.to_thread(read_form, service, exchange.parts, self._desk.seed)
        if exchange.meets("policy_input"):
            raise flagged()
        check_policy(asked)
        return asked

    async def _result(self, exchange: Exchange) -> web.Response:
        as_json = _wants_json(exchange)
        found = self._generations.all.get(exchange.request.match_info["id"])
        if found is None or found.key != _key(exchange) or exchange.meets("expired_url"):
            raise Refused(404, "generation_not_found", "id: the generation either does not exist or has expired.")
        if not found.done:
            return _json(exchange, {"id": found.generation_id, "status": "in-progress"}, 202)
        asked = await asyncio.to_thread(self._generations.asked, found)
        data = await asyncio.to_thread(_file, asked, found.filtered)
        return _image(exchange, asked, data, filtered=found.filtered, as_json=as_json)

    async def _balance(self, exchange: Exchange) -> web.Response:
        lines = [line for line in self._desk.books.lines if line.provider == self.name]
        spent = sum(line.microusd for line in lines) / MICROUSD_A_CREDIT
        return _json(exchange, {"credits": max(0.0, _CREDITS_AT_FIRST - spent)})


_STATUS_ERRORS: dict[int, tuple[str, str]] = {
    400: ("bad_request", "some-field: is required"),
    401: ("unauthorized", "missing authorization header"),
    402: ("payment_required", "You lack sufficient credits to make this request."),
    403: ("permission_denied", "You do not have permission to access this resource"),
    404: ("not_found", "The requested resource was not found."),
    413: ("payload_too_large", "body: payloads cannot be larger than 10MiB in size"),
    422: ("invalid_language", "English is the only supported language for this service."),
    429: (
        "rate_limit_exceeded",
        "You have exceeded the rate limit of 150 requests within a 10 second period, and have been timed out for 60 s.",
    ),
    500: ("internal_error", "An unexpected server error has occurred, please try again later."),
}


def _guarded(handler: _Handler) -> _Handler:
    """The handler behind the check of the key; what it refuses is told in the vendor's shape."""

    async def guarded(exchange: Exchange) -> web.Response:
        try:
            _check_key(exchange)
            return await handler(exchange)
        except Refused as refused:
            if refused.name == "content_moderation":
                exchange.outcome = "blocked"
            return _error(exchange, refused.status, refused.name, *refused.errors)

    return guarded


def _check_key(exchange: Exchange) -> None:
    scheme, _, key = exchange.request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or not key.strip():
        raise Refused(401, "unauthorized", "authorization: is required")
    if key.strip().startswith("bad-"):
        raise Refused(401, "unauthorized", "authorization: invalid or missing header value")


def _key(exchange: Exchange) -> str:
    return hashlib.sha256(exchange.request.headers.get("Authorization", "").encode()).hexdigest()


def _wants_json(exchange: Exchange) -> bool:
    accept = exchange.request.headers.get("Accept", "")
    if accept.startswith("application/json"):
        return True
    if accept not in _AS_BYTES:
        raise Refused(400, "bad_request", "accept: must be image/* or application/json")
    return False


def _file(asked: Asked, filtered: bool) -> bytes:
    return picture.pack(draw(asked, blurred=filtered), asked.output_format)


def _image(exchange: Exchange, asked: Asked, data: bytes, *, filtered: bool, as_json: bool) -> web.Response:
    if exchange.meets("corrupt_image"):
        data = picture.corrupted(data)
    reason, kind = "CONTENT_FILTERED" if filtered else "SUCCESS", f"image/{asked.output_format}"
    if as_json:
        body = {"image": base64.b64encode(data).decode(), "finish_reason": reason, "seed": asked.seed}
        answer = _json(exchange, body)
        answer.headers["Content-Type"] = f"application/json; type={kind}"
        return answer
    headers = {"x-request-id": exchange.request_id, "finish-reason": reason, "seed": str(asked.seed)}
    return web.Response(body=data, content_type=kind, headers=headers)


def _error(exchange: Exchange, status: int, name: str, *errors: str) -> web.Response:
    return _json(exchange, {"id": exchange.request_id, "name": name, "errors": list(errors)}, status)


def _json(exchange: Exchange, body: dict[str, Any], status: int = 200) -> web.Response:
    headers = {"x-request-id": exchange.request_id}
    return web.Response(body=json.dumps(body).encode(), status=status, content_type="application/json", headers=headers)
