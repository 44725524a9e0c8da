"""Microsoft Entra ID's token endpoint, for client credentials: ``POST /{tenant}/oauth2/v2.0/token``.

Written from Microsoft's page "OAuth 2.0 client credentials flow on the Microsoft identity platform" and its list of
AADSTS codes. A token says when it ends and is signed, so that a sandbox that was started anew still knows it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from .exchange import Exchange

SCOPE = "https://cognitiveservices.azure.com/.default"
LIFETIME_S = 3599
_SIGNS = b"sandbox"  # not a secret: it only makes a changed token fail
_HEAD = base64.urlsafe_b64encode(b'{"typ":"JWT","alg":"HS256"}').decode()


def token(exchange: Exchange) -> web.Response:
    """The answer of the token endpoint. A secret that begins with ``bad-`` and a tenant with ``no-`` are unknown."""
    tenant = exchange.request.match_info["tenant"]
    asked = {name: values[0] for name, values in parse_qs(exchange.raw.decode(errors="replace")).items()}
    if tenant.startswith("no-"):
        return _refused(400, "invalid_request", 90002, f"Tenant '{tenant}' not found.")
    for name in ("grant_type", "client_id", "client_secret", "scope"):
        if not asked.get(name):
            text = f"The request body must contain the following parameter: '{name}'."
            return _refused(400, "invalid_request", 900144, text)
    if asked["grant_type"] != "client_credentials":
        return _refused(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
    if asked["scope"] != SCOPE:
        return _refused(400, "invalid_scope", 1002012, f"The provided value for scope {asked['scope']} is not valid.")
    if asked["client_secret"].startswith("bad-"):
        return _refused(401, "invalid_client", 7000215, "Invalid client secret provided.")
    body = {"token_type": "Bearer", "expires_in": LIFETIME_S, "ext_expires_in": LIFETIME_S}
    return web.json_response({**body, "access_token": _issued(tenant, asked["client_id"])})


def is_token(text: str) -> bool:
    """Whether a bearer's text is meant for a token; what is none is a resource's key."""
    return text.startswith("eyJ")


def is_good(text: str) -> bool:
    """Whether a token is one of ours that has not ended."""
    head, _, rest = text.partition(".")
    claims, _, signature = rest.partition(".")
    if not hmac.compare_digest(signature, _signature(f"{head}.{claims}")):
        return False
    told = json.loads(base64.urlsafe_b64decode(claims))
    return bool(told["exp"] > time.time())


def _issued(tenant: str, client_id: str) -> str:
    claims = {"tid": tenant, "appid": client_id, "exp": time.time() + LIFETIME_S, "jti": uuid.uuid4().hex}
    text = f"{_HEAD}.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()}"
    return f"{text}.{_signature(text)}"


def _signature(text: str) -> str:
    return hmac.new(_SIGNS, text.encode(), hashlib.sha256).hexdigest()


def _refused(status: int, error: str, code: int, text: str) -> web.Response:
    trace = str(uuid.uuid4())
    body: dict[str, Any] = {
        "error": error,
        "error_description": f"AADSTS{code}: {text} Trace ID: {trace}",
        "error_codes": [code],
        "trace_id": trace,
        "correlation_id": str(uuid.uuid4()),
    }
    return web.json_response(body, status=status)
