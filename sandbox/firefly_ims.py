"""Adobe's identity service as the sandbox has it: client credentials in, a bearer token out; and what a gateway makes
of tokens and client ids.

A token says whose it is and until when, and is signed: a sandbox that starts again takes those of an earlier one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from urllib.parse import parse_qs

from aiohttp import web

from .exchange import Exchange

LIFETIME_S = 86_399
"""In Adobe's own example."""
_SIGNS = b"sandbox"  # not a secret: it only makes a changed token fail
_SCOPES = frozenset(("openid", "AdobeID", "firefly_api", "ff_apis"))
_FORM = "application/x-www-form-urlencoded"


def token(exchange: Exchange) -> web.Response:
    """The answer to ``POST /ims/token/v3``."""
    if exchange.request.content_type != _FORM:
        return _refused("invalid_request", f"content type must be {_FORM}")
    form = {name: values[0] for name, values in parse_qs(exchange.raw.decode("utf-8", "replace")).items()}
    if form.get("grant_type") != "client_credentials":
        return _refused("unsupported_grant_type", "unsupported grant_type parameter")
    client, secret = form.get("client_id", ""), form.get("client_secret", "")
    if not client or not secret or secret.startswith("bad-"):
        return _refused("invalid_client", f"invalid client_{'secret' if client else 'id'} parameter")
    if not set(form.get("scope", "").split(",")) >= _SCOPES:
        return _refused("invalid_scope", "invalid scope parameter")
    told = {"access_token": _token(client), "token_type": "bearer", "expires_in": LIFETIME_S}
    return web.Response(body=json.dumps(told).encode(), content_type="application/json")


def problem(exchange: Exchange) -> tuple[int, str, str] | None:
    """What the gateway before the API has against a request: status, code and message; None where it lets it pass."""
    scheme, _, value = exchange.request.headers.get("Authorization", "").partition(" ")
    client = exchange.request.headers.get("x-api-key", "")
    if scheme != "Bearer" or not value:
        return 401, "401010", "Oauth token is missing"
    if not client:
        return 403, "403000", "Api Key is required"
    known = _client(value)
    if known is None:
        return 401, "401013", "Oauth token is not valid"
    return None if known == client else (403, "403003", "Api Key is invalid")


def _token(client: str) -> str:
    facts = json.dumps({"client": client, "until": time.time() + LIFETIME_S})
    body = base64.urlsafe_b64encode(facts.encode()).decode()
    return f"{body}.{_signature(body)}"


def _client(value: str) -> str | None:
    """Whose token this is; None where it is not one of ours or is over."""
    body, _, signature = value.partition(".")
    if not hmac.compare_digest(_signature(body).encode(), signature.encode()):
        return None
    facts = json.loads(base64.urlsafe_b64decode(body))
    return str(facts["client"]) if facts["until"] > time.time() else None


def _signature(body: str) -> str:
    return hmac.new(_SIGNS, body.encode(), hashlib.sha256).hexdigest()


def _refused(error: str, description: str) -> web.Response:
    told = {"error": error, "error_description": description}
    return web.Response(body=json.dumps(told).encode(), status=400, content_type="application/json")
