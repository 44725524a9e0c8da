"""Tokens of Adobe's Identity Management System for an OAuth server-to-server credential.

Wire facts: developer.adobe.com/firefly-services (getting started): ``POST /ims/token/v3`` with a form, answered with
``{access_token, token_type, expires_in}``; a token is good for a day. Asking for one costs nothing and nothing else was
asked yet, so no failure here is ever charged.
"""

from __future__ import annotations

from typing import Any

from .. import log
from ..errors import BadAnswer, ProviderAuth, ProviderDown, ProviderError
from .firefly_errors import VENDOR
from .http import MIB, Failure, HttpClient, Reply
from .secret import Secret
from .tokens import Token, Tokens, token_in

IMS_URL = "https://ims-na1.adobelogin.com/ims"
SANDBOX_PREFIX = "/firefly/ims"
SCOPE = "openid,AdobeID,session,additional_info,read_organizations,firefly_api,ff_apis"


def ims_tokens(http: HttpClient, *, client_id: str, secret: Secret, sandbox_url: str | None = None) -> Tokens:
    """The credential's tokens."""
    ims = f"{sandbox_url.rstrip('/')}{SANDBOX_PREFIX}" if sandbox_url else IMS_URL

    async def fetch() -> Token:
        return await _fetched(http, f"{ims}/token/v3", client_id, secret)

    return Tokens(fetch, now=http.clock)


async def _fetched(http: HttpClient, url: str, client_id: str, secret: Secret) -> Token:
    form = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": secret.reveal(),
        "scope": SCOPE,
    }
    try:
        reply = await http.send("POST", url, headers={}, form=form, max_bytes=MIB, repeat="idempotent")
    except Failure as failure:
        problem: ProviderError = VENDOR.unreached(failure, "no")
    else:
        if reply.status == 200:
            return _token(reply)
        problem = _refused(reply)
    raise problem


def _token(reply: Reply) -> Token:
    try:
        token = token_in(reply.json())
    except ValueError:
        token = None
    if token is None:
        raise BadAnswer("Adobe's answer holds no token.", provider="firefly", charged="no", status=200)
    return token


def _refused(reply: Reply) -> ProviderError:
    told: dict[str, Any] = {"provider": "firefly", "status": reply.status, "retry_after": reply.retry_after_s}
    if reply.status >= 500 or reply.status == 429:
        return ProviderDown(f"Adobe's sign-in answers {reply.status}.", charged="no", **told)
    return ProviderAuth(f"Adobe gives no token ({_code(reply)}).", hint=VENDOR.key, **told)


def _code(reply: Reply) -> str:
    """OAuth's word for the reason, such as "invalid_client"."""
    try:
        word = reply.json().get("error")
    except ValueError:
        word = None
    return log.redact(word)[:64] if isinstance(word, str) and word else str(reply.status)
