"""Tokens of Microsoft Entra ID for an application of the user's own (the OAuth 2.0 client credentials flow).

Wire facts: Microsoft's page on that flow, ``POST <login>/<tenant>/oauth2/v2.0/token``. Asking for a token costs nothing
and nothing else was asked yet, so no failure here is ever charged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ..errors import BadAnswer, BadSetting, ProviderAuth, ProviderDown, ProviderError
from .accounts import variable
from .azure_errors import BY_ACCOUNT
from .http import MIB, Failure, HttpClient, Reply
from .secret import Secret
from .tokens import Token, Tokens, token_in

LOGIN = "https://login.microsoftonline.com"
SANDBOX_PREFIX = "/azure/login"
SCOPE = "https://cognitiveservices.azure.com/.default"
_SECRET = "AZURE_CLIENT_SECRET"  # noqa: S105 - the name of a variable
_NEEDED = {"tenant_id": "AZURE_TENANT_ID", "client_id": "AZURE_CLIENT_ID"}


def entra_tokens(
    http: HttpClient,
    options: Mapping[str, str],
    *,
    sandbox_url: str | None = None,
    env: Mapping[str, str] | None = None,
) -> Tokens:
    """The account's tokens; its secret is read from the environment alone. Raises BadSetting naming what is missing."""
    secret = variable(_SECRET, env)
    missing = [variable for name, variable in _NEEDED.items() if not options.get(name)] + [_SECRET] * (not secret)
    if missing:
        raise BadSetting(f"Entra ID's client is not known: {missing[0]} is not set.", hint=f"Set {', '.join(missing)}.")
    login = f"{sandbox_url.rstrip('/')}{SANDBOX_PREFIX}" if sandbox_url else LOGIN
    url = f"{login}/{quote(options['tenant_id'], safe='')}/oauth2/v2.0/token"
    held = Secret(secret)

    async def fetch() -> Token:
        return await _fetched(http, url, options["client_id"], held)

    return Tokens(fetch, now=http.clock)


async def _fetched(http: HttpClient, url: str, client_id: str, secret: Secret) -> Token:
    asked = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": secret.reveal(),
        "scope": SCOPE,
    }
    try:
        reply = await http.send("POST", url, headers={}, form=asked, max_bytes=MIB, repeat="idempotent")
    except Failure as failure:
        problem: ProviderError = BY_ACCOUNT.unreached(failure, "no")
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
        raise BadAnswer("Entra ID's answer holds no token.", provider="azure", charged="no", status=200)
    return token


def _refused(reply: Reply) -> ProviderError:
    told: dict[str, Any] = {"provider": "azure", "status": reply.status, "retry_after": reply.retry_after_s}
    if reply.status >= 500 or reply.status == 429:
        return ProviderDown(f"Entra ID answers {reply.status}.", charged="no", **told)
    return ProviderAuth(f"Entra ID gives no token ({_code(reply)}).", hint=BY_ACCOUNT.key, **told)


def _code(reply: Reply) -> str:
    """Entra's number for the reason. Its sentence is left out: it may name the application."""
    try:
        codes = reply.json().get("error_codes")
    except ValueError:
        codes = None
    first = codes[0] if isinstance(codes, list) and codes else None
    return f"AADSTS{first}" if isinstance(first, int) else str(reply.status)
