"""Amazon Bedrock's InvokeModel as its wire speaks it: JSON in, JSON with images in it out.

Written from botocore's model of the service (errors, headers, limits) and Amazon's user guides of Bedrock and Nova. A
filtered request to Stability's models is a 200 that has ``finish_reasons`` alone; Nova refuses a harmful prompt with
400 and tells withheld images in ``error``. What a withheld image costs is said nowhere: here it is billed.
"""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from . import bedrock_nova, judge, picture
from .aws import Refused, check_caller, error
from .base import Provider, Route
from .bedrock_models import MODELS, NOVA, NOVA_MICROUSD
from .bedrock_pictures import draw
from .bedrock_request import invalid, read_body
from .exchange import Desk, Exchange
from .faults import Kind
from .stability_request import Asked

_FAULTS: frozenset[Kind] = frozenset(("policy_input", "policy_output", "corrupt_image"))
_LARGEST_BODY = 25_000_000
PROMPT, OUTPUT = "Filter reason: prompt", "Filter reason: output image"


class Bedrock(Provider):
    """The stand-in for bedrock-runtime in all its regions."""

    name = "bedrock"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", "/model/{model}/invoke", self._invoke, "generation", _FAULTS),
            # Of the control plane, which has a host of its own beside the runtime's.
            Route("GET", "/foundation-models", self._models),
        )

    async def start(self) -> None:
        """Nothing is kept: every call is answered at once."""

    async def stop(self) -> None:
        """There are no tasks."""

    def reset(self) -> None:
        """There is nothing to forget."""

    def new_request_id(self) -> str:
        return str(uuid.uuid4())

    def refusal(self, exchange: Exchange, status: int, retry_after: float | None) -> web.Response:
        if status in (502, 504):
            # These come from what stands before the API, and have nothing of its shape.
            answer = web.Response(status=status, text="<html><body>upstream</body></html>", content_type="text/html")
        else:
            answer = error(exchange, Refused(status, *_STATUS_ERRORS.get(status, _STATUS_ERRORS[500])))
        if retry_after is not None:
            answer.headers["Retry-After"] = f"{retry_after:g}"
        return answer

    def unknown(self, exchange: Exchange) -> web.Response:
        return error(exchange, Refused(404, "UnknownOperationException", ""))

    async def _models(self, exchange: Exchange) -> web.Response:
        """What is served; Nova's life is over, so it is not listed."""
        try:
            check_caller(exchange, "bedrock", bearers=True)
        except Refused as refused:
            return error(exchange, refused)
        return _json(exchange, {"modelSummaries": [_summary(model) for model in MODELS]})

    async def _invoke(self, exchange: Exchange) -> web.Response:
        try:
            check_caller(exchange, "bedrock", bearers=True)
            body, model = _body(exchange), exchange.request.match_info["model"]
            if model == NOVA:
                return await self._nova(exchange, body)
            if model not in MODELS:
                raise invalid("The provided model identifier is invalid.")
            return await self._stability(exchange, model, body)
        except Refused as refused:
            if "content filters" in refused.message:
                exchange.outcome = "blocked"
            return error(exchange, refused)

    async def _stability(self, exchange: Exchange, model: str, body: Mapping[str, Any]) -> web.Response:
        asked, style = await asyncio.to_thread(read_body, model, body, self._desk.seed)
        if exchange.meets("policy_input") or judge.reasons(judge.text_scores(asked.prompt)):
            exchange.outcome = "blocked"
            return _json(exchange, {"finish_reasons": [PROMPT]})
        await asyncio.sleep(self._desk.latency_s)
        data = b"" if exchange.meets("policy_output") else await asyncio.to_thread(_file, asked, style)
        self._charge(exchange, model, asked.microusd, 1)
        if exchange.meets("policy_output"):
            exchange.outcome = "blocked"
            return _json(exchange, {"finish_reasons": [OUTPUT]})
        return _json(exchange, {"seeds": [asked.seed], "finish_reasons": [None], "images": [_base64(exchange, data)]})

    async def _nova(self, exchange: Exchange, body: Mapping[str, Any]) -> web.Response:
        wanted = await asyncio.to_thread(bedrock_nova.read_body, body)
        if exchange.meets("policy_input"):
            raise Refused(400, "ValidationException", bedrock_nova.BLOCKED_TEXT)
        await asyncio.sleep(self._desk.latency_s)
        blocked = exchange.meets("policy_output")
        files = [await asyncio.to_thread(_png, wanted, index) for index in range(wanted.count - blocked)]
        self._charge(exchange, NOVA, wanted.count * NOVA_MICROUSD, wanted.count)
        reason = (bedrock_nova.BLOCKED_SOME if files else bedrock_nova.BLOCKED_ALL) if blocked else None
        if blocked:
            exchange.outcome = "blocked"
        return _json(exchange, {"images": [_base64(exchange, file) for file in files], "error": reason})

    def _charge(self, exchange: Exchange, model: str, microusd: int, images: int) -> None:
        self._desk.books.charge(
            provider=self.name, model=model, request_id=exchange.request_id, client_request_id=None,
            microusd=microusd, images=images, usage={},
        )  # fmt: skip


_STATUS_ERRORS: dict[int, tuple[str, str]] = {
    400: ("ValidationException", "The provided request is not valid"),
    401: ("UnauthorizedException", "Unauthorized"),
    403: ("AccessDeniedException", "You don't have access to the model with the specified model ID."),
    404: ("ResourceNotFoundException", "This model version has reached the end of its life."),
    408: ("ModelTimeoutException", "Model has timed out in processing the request. Try your request again."),
    422: ("ValidationException", "The provided request is not valid"),
    424: (
        "ModelErrorException",
        "The system encountered an unexpected error during processing. Try your request again.",
    ),
    429: ("ThrottlingException", "Too many requests, please wait before trying again."),
    500: ("InternalServerException", "The system encountered an unexpected error during processing. Try again."),
    503: ("ServiceUnavailableException", "Bedrock is unable to process your request."),
}


def _summary(model: str) -> dict[str, Any]:
    """A profile (``us.``) is not a model, and is what some can only be called by."""
    plain = model.removeprefix("us.")
    return {
        "modelArn": f"arn:aws:bedrock:us-west-2::foundation-model/{plain}",
        "modelId": plain,
        "providerName": "Stability AI",
        "inputModalities": ["TEXT", "IMAGE"] if MODELS[model].image else ["TEXT"],
        "outputModalities": ["IMAGE"],
        "inferenceTypesSupported": ["ON_DEMAND" if plain == model else "INFERENCE_PROFILE"],
        "modelLifecycle": {"status": "ACTIVE"},
    }


def _body(exchange: Exchange) -> dict[str, Any]:
    if len(exchange.raw) > _LARGEST_BODY:
        raise invalid("Value at 'body' failed to satisfy constraint: length less than or equal to 25000000")
    try:
        body = exchange.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise invalid("Malformed input request, please reformat your input and try again.")
    return body


def _file(asked: Asked, style: picture.Source | None) -> bytes:
    return picture.pack(draw(asked, style), asked.output_format)


def _png(wanted: bedrock_nova.Wanted, index: int) -> bytes:
    return picture.pack(wanted.draw(index), "png")


def _base64(exchange: Exchange, data: bytes) -> str:
    return base64.b64encode(picture.corrupted(data) if exchange.meets("corrupt_image") else data).decode()


def _json(exchange: Exchange, body: dict[str, Any]) -> web.Response:
    headers = {"x-amzn-RequestId": exchange.request_id, "X-Amzn-Bedrock-Invocation-Latency": "2000"}
    return web.Response(body=json.dumps(body).encode(), content_type="application/json", headers=headers)
