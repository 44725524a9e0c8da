"""A resource of Azure as its wire speaks it: OpenAI's images in both forms, FLUX, Content Safety, and Entra ID's login.

Three hosts are three prefixes here: the resource's own (``<resource>.openai.azure.com``, ``.services.ai.azure.com`` and
``.cognitiveservices.azure.com`` are one resource), and ``/login`` for login.microsoftonline.com. A key that begins with
``bad-`` is refused; one that begins with ``blocked-`` is of a resource that Azure's abuse monitoring has blocked.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

from aiohttp import web

from . import azure_login
from .azure_answers import ABUSE, Failed, gateway, json_answer, refused
from .azure_flux import flux_2
from .azure_models import DEPLOYED
from .azure_openai import images
from .base import Provider, Route
from .content_safety import analyze_image, analyze_text
from .exchange import Desk, Exchange
from .faults import Kind

_IMAGE_FAULTS: frozenset[Kind] = frozenset(("policy_input", "policy_output", "corrupt_image"))
_Handler = Callable[[Exchange], Awaitable[web.Response]]
_DEPLOYMENT, _OPERATION = "/openai/deployments/{deployment}", "{operation:generations|edits}"


class Azure(Provider):
    """The stand-in for one resource. Holds no state of its own."""

    name = "azure"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", f"{_DEPLOYMENT}/images/{_OPERATION}", _guarded(self._images), "generation", _IMAGE_FAULTS),
            Route("POST", f"/openai/v1/images/{_OPERATION}", _guarded(self._images), "generation", _IMAGE_FAULTS),
            Route("POST", "/providers/blackforestlabs/v1/{model}", _guarded(self._flux_2), "generation", _IMAGE_FAULTS),
            Route("GET", "/openai/v1/models", _guarded(self._models)),
            Route("POST", "/contentsafety/text:analyze", _guarded(analyze_text), "moderation"),
            Route("POST", "/contentsafety/image:analyze", _guarded(analyze_image), "moderation"),
            Route("POST", "/login/{tenant}/oauth2/v2.0/token", self._token),
        )

    async def start(self) -> None:
        """Nothing is kept between requests."""

    async def stop(self) -> None:
        """Nothing runs between requests."""

    def reset(self) -> None:
        """Nothing to forget."""

    def new_request_id(self) -> str:
        return str(uuid.uuid4())

    def refusal(self, exchange: Exchange, status: int, retry_after: float | None) -> web.Response:
        answer = refused(exchange, gateway(status))
        if retry_after is not None:
            answer.headers["Retry-After"] = f"{retry_after:g}"
            answer.headers["retry-after-ms"] = f"{retry_after * 1000:g}"
        return answer

    def unknown(self, exchange: Exchange) -> web.Response:
        return refused(exchange, gateway(404))

    async def _images(self, exchange: Exchange) -> web.Response:
        return await images(exchange, self._desk)

    async def _flux_2(self, exchange: Exchange) -> web.Response:
        return await flux_2(exchange, self._desk)

    async def _models(self, exchange: Exchange) -> web.Response:
        return json_answer(exchange, {"object": "list", "data": [{"id": name, "object": "model"} for name in DEPLOYED]})

    async def _token(self, exchange: Exchange) -> web.Response:
        return azure_login.token(exchange)


def _guarded(handler: _Handler) -> _Handler:
    """The handler behind the gateway, which checks who asks."""

    async def guarded(exchange: Exchange) -> web.Response:
        try:
            _check(exchange)
            return await handler(exchange)
        except Failed as failed:
            return refused(exchange, failed)

    return guarded


def _check(exchange: Exchange) -> None:
    headers = exchange.request.headers
    scheme, _, bearer = headers.get("Authorization", "").partition(" ")
    key = headers.get("api-key") or headers.get("Ocp-Apim-Subscription-Key") or (bearer if scheme == "Bearer" else "")
    if azure_login.is_token(key) and not azure_login.is_good(key):
        raise Failed(401, "Unauthorized", "Access token is missing, invalid, audience is incorrect, or have expired.")
    if not key.strip() or key.startswith("bad-"):
        raise gateway(401)
    if key.startswith("blocked-"):
        raise Failed(403, "Forbidden", ABUSE)
