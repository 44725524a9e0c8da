"""Who asks Google: a key, or an access token; how both are refused, and where tokens come from."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

from aiohttp import web

from . import google_errors
from .exchange import Exchange
from .google_errors import Refused, error_info

_TOKEN_LIFE_S = 3600

Handler = Callable[[Exchange], Any]


def guarded_by(handler: Handler, *, vertex: bool) -> Handler:
    """The handler behind the check of who asks; what it refuses is told in Google's shape."""

    async def guarded(exchange: Exchange) -> web.Response:
        try:
            _check_caller(exchange, vertex=vertex)
            answer: web.Response = await handler(exchange)
        except Refused as refused:
            return answered(
                google_errors.body(refused.message, refused.status, refused.code, refused.details), refused.status
            )
        return answer

    return guarded


def _check_caller(exchange: Exchange, *, vertex: bool) -> None:
    headers = exchange.request.headers
    key = headers.get("x-goog-api-key") or exchange.request.query.get("key", "")
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if key.startswith("bad-"):
        # A key that is none is a bad argument and no failed authentication: 400, and not 401.
        message = "API key not valid. Please pass a valid API key."
        raise Refused(message, details=[error_info("API_KEY_INVALID", "generativelanguage.googleapis.com")])
    if key:
        return
    if not token:
        message = "Method doesn't allow unregistered callers (callers without established identity)."
        raise Refused(f"{message} Please use API Key or other form of API consumer identity.", status=403)
    if not vertex or scheme != "Bearer" or token.startswith("bad-"):
        info = error_info("ACCESS_TOKEN_TYPE_UNSUPPORTED", "aiplatform.googleapis.com")
        raise Refused(google_errors.MESSAGES[401], status=401, details=[info])


async def token(exchange: Exchange) -> web.Response:
    """OAuth 2.0 (RFC 7523): an access token for an assertion."""
    if b"assertion=" not in exchange.raw and b"refresh_token=" not in exchange.raw:
        return answered({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, 400)
    value = f"ya29.sandbox-{uuid.uuid4().hex}"
    return answered({"access_token": value, "expires_in": _TOKEN_LIFE_S, "token_type": "Bearer"})


def answered(body: dict[str, Any], status: int = 200) -> web.Response:
    """A body as JSON."""
    return web.Response(body=json.dumps(body).encode(), status=status, content_type="application/json")
