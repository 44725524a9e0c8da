"""OpenAI's images and moderations as its wire speaks them: generations, edits, moderations, models; batches beside.

Written from the vendor's API reference. Images come as base64 only; there is no seed, so pictures vary by prompt, size
and the sandbox's own seed. A blocked prompt or result costs nothing.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import web

from . import judge
from .base import Provider, Route
from .exchange import Desk, Exchange
from .faults import Kind
from .openai_batch import DISCOUNT, Batches
from .openai_models import MODELS, MODERATION_MODELS, price_of, tokens_of
from .openai_moderation import moderation
from .openai_pictures import Calm, body_of, drawn, paced
from .openai_request import Asked, Refused, read_edit, read_fields, read_generation

_IMAGE_FAULTS: frozenset[Kind] = frozenset(("policy_input", "policy_output", "corrupt_image"))
_LONGEST_CLIENT_ID = 512
_CREATED = 1_776_729_600  # what GET /models says of every model


class OpenAI(Provider):
    """The stand-in for api.openai.com. Holds no state of its own."""

    name = "openai"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._batches = Batches(desk, self._line, _json)

    def routes(self) -> tuple[Route, ...]:
        guarded = self._guarded
        return (
            Route("POST", "/v1/images/generations", guarded(self._generate), "generation", _IMAGE_FAULTS),
            Route("POST", "/v1/images/edits", guarded(self._edit), "generation", _IMAGE_FAULTS),
            Route("POST", "/v1/moderations", guarded(self._moderate), "moderation"),
            Route("GET", "/v1/models", guarded(self._models)),
            Route("GET", "/v1/models/{model}", guarded(self._model)),
            *self._batches.routes(guarded),
        )

    async def start(self) -> None:
        self._batches.take_up()

    async def stop(self) -> None:
        await self._batches.stop()

    def reset(self) -> None:
        self._batches.reset()

    def new_request_id(self) -> str:
        return f"req_{uuid.uuid4().hex}"

    def refusal(self, exchange: Exchange, status: int, retry_after: float | None) -> web.Response:
        message, kind, code = _STATUS_ERRORS.get(status, _STATUS_ERRORS[500])
        answer = _error(exchange, status, message, kind=kind, code=code)
        if retry_after is not None:
            answer.headers["Retry-After"] = f"{retry_after:g}"
        return answer

    def unknown(self, exchange: Exchange) -> web.Response:
        path = exchange.request.path.removeprefix("/openai")
        return _error(exchange, 404, f"Invalid URL ({exchange.request.method} {path})")

    def _guarded(self, handler: Callable[[Exchange], Any]) -> Callable[[Exchange], Any]:
        """The handler behind the checks that come first everywhere: the key, the caller's own request id."""

        async def guarded(exchange: Exchange) -> web.Response:
            try:
                _check_key(exchange)
                _check_client_id(exchange)
                answer: web.Response = await handler(exchange)
            except Refused as refused:
                if refused.code == "moderation_blocked":
                    exchange.outcome = "blocked"
                return _json(exchange, _told(refused), refused.status)
            return answer

        return guarded

    async def _generate(self, exchange: Exchange) -> web.Response:
        return await self._make(exchange, await asyncio.to_thread(read_generation, exchange), "image_generation")

    async def _edit(self, exchange: Exchange) -> web.Response:
        return await self._make(exchange, await asyncio.to_thread(read_edit, exchange), "image_edit")

    async def _make(self, exchange: Exchange, asked: Asked, event: str) -> web.Response:
        _check_policy(exchange, asked)
        # A stream takes its time while it is sent; a fault meets the whole of it at once.
        slowly = asked.stream and exchange.fault is None
        await asyncio.sleep(0.0 if slowly else self._desk.latency_s)
        canvases = await asyncio.to_thread(drawn, asked, self._desk.seed)
        if exchange.meets("policy_output"):
            raise _blocked(exchange.request_id, ["sexual"])
        usage = self._charge(exchange, asked)
        answer = await asyncio.to_thread(body_of, exchange, asked, canvases, usage, event)
        if slowly:
            return _answer(exchange, paced(answer, self._desk.latency_s), "text/event-stream")
        return _answer(exchange, answer, "text/event-stream" if asked.stream else "application/json")

    async def _line(self, request_id: str, body: Any) -> tuple[int, dict[str, Any]]:
        """One line of a batch, answered as if it had come by itself, at half the price."""
        try:
            asked = await asyncio.to_thread(read_fields, body)
            if asked.stream:
                raise Refused("Streaming is not supported in a batch.", param="stream")
            _check_prompt(asked, request_id)
        except Refused as refused:
            return refused.status, _told(refused)
        canvases = await asyncio.to_thread(drawn, asked, self._desk.seed)
        answer = await asyncio.to_thread(body_of, Calm(), asked, canvases, _usage(asked), "image_generation")
        if all(line.request_id != request_id for line in self._desk.books.lines):
            self._bill(asked, request_id, None, divided_by=DISCOUNT)
        return 200, json.loads(answer)

    def _charge(self, exchange: Exchange, asked: Asked) -> dict[str, Any]:
        return self._bill(asked, exchange.request_id, exchange.client_request_id)

    def _bill(
        self, asked: Asked, request_id: str, client_request_id: str | None, divided_by: int = 1
    ) -> dict[str, Any]:
        usage = _usage(asked)
        self._desk.books.charge(
            provider=self.name,
            model=asked.model.name,
            request_id=request_id,
            client_request_id=client_request_id,
            microusd=price_of(asked.model, usage, divided_by),
            images=asked.n,
            usage=usage,
        )
        return usage

    async def _moderate(self, exchange: Exchange) -> web.Response:
        return _json(exchange, await asyncio.to_thread(moderation, exchange))

    async def _models(self, exchange: Exchange) -> web.Response:
        names = [*MODELS, *MODERATION_MODELS]
        return _json(exchange, {"object": "list", "data": [_model_row(name) for name in names]})

    async def _model(self, exchange: Exchange) -> web.Response:
        name = exchange.request.match_info["model"]
        if name not in MODELS and name not in MODERATION_MODELS:
            raise Refused(f"The model '{name}' does not exist", param="model", code="model_not_found", status=404)
        return _json(exchange, _model_row(name))


_STATUS_ERRORS: dict[int, tuple[str, str, str | None]] = {
    401: ("Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
    403: ("You are not allowed to use this model.", "invalid_request_error", None),
    408: ("Request timeout.", "server_error", None),
    429: ("Rate limit reached for images per minute. Please try again later.", "requests", "rate_limit_exceeded"),
    500: ("The server had an error while processing your request. Sorry about that!", "server_error", None),
    503: ("The server is currently overloaded. Please try again later.", "server_error", "server_overloaded"),
}


def _check_key(exchange: Exchange) -> None:
    scheme, _, key = exchange.request.headers.get("Authorization", "").partition(" ")
    key = key.strip()
    if scheme != "Bearer" or not key:
        raise Refused(
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
            "auth (i.e. Authorization: Bearer YOUR_KEY).",
            status=401,
        )
    if key.startswith("bad-"):
        # The real one, too, quotes both ends of the key back; clients must not log this text as it is.
        told = f"{key[:3]}{'*' * 8}{key[-4:]}"
        message = f"Incorrect API key provided: {told}. You can find your API key at your account page."
        raise Refused(message, code="invalid_api_key", status=401)


def _check_client_id(exchange: Exchange) -> None:
    own = exchange.client_request_id
    if own is not None and (len(own) > _LONGEST_CLIENT_ID or not own.isascii()):
        raise Refused(f"Invalid X-Client-Request-Id: expected at most {_LONGEST_CLIENT_ID} ASCII characters.")


def _check_policy(exchange: Exchange, asked: Asked) -> None:
    if exchange.meets("policy_input"):
        raise _blocked(exchange.request_id, ["violence"])
    _check_prompt(asked, exchange.request_id)


def _check_prompt(asked: Asked, request_id: str) -> None:
    scores = judge.text_scores(asked.prompt)
    found = judge.reasons(scores)
    if asked.moderation == "low":
        found = [category for category in found if category == "sexual/minors"]
    if found:
        raise _blocked(request_id, found)


def _usage(asked: Asked) -> dict[str, Any]:
    return tokens_of(
        prompt=asked.prompt,
        inputs=[source.size for source in asked.sources],
        size=asked.size,
        quality=asked.quality,
        images=asked.n,
        partials=asked.partial_images,
    )


def _blocked(request_id: str, categories: list[str]) -> Refused:
    return Refused(
        "Your request was rejected by the safety system. If you believe this is an error, contact us at "
        f"help.openai.com and include the request ID {request_id}. "
        f"safety_violations=[{', '.join(categories)}].",
        code="moderation_blocked",
        kind="image_generation_user_error",
    )


def _model_row(name: str) -> dict[str, Any]:
    row: dict[str, Any] = {"id": name, "object": "model", "created": _CREATED, "owned_by": "system"}
    model = MODELS.get(name)
    return {**row, "shutdown_date": model.shutdown} if model and model.shutdown else row


def _json(exchange: Exchange, body: dict[str, Any], status: int = 200) -> web.Response:
    return _answer(exchange, json.dumps(body).encode(), "application/json", status)


def _told(refused: Refused) -> dict[str, Any]:
    """OpenAI's error body."""
    return {"error": {"message": refused.message, "type": refused.kind, "param": refused.param, "code": refused.code}}


def _error(
    exchange: Exchange, status: int, message: str, *, kind: str = "invalid_request_error", param: str | None = None,
    code: str | None = None,
) -> web.Response:  # fmt: skip
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return _json(exchange, body, status)


def _answer(
    exchange: Exchange, body: bytes | AsyncIterator[bytes], content_type: str, status: int = 200
) -> web.Response:
    headers = {"x-request-id": exchange.request_id, "openai-version": "2020-10-01"}
    return web.Response(body=body, status=status, content_type=content_type, headers=headers)
