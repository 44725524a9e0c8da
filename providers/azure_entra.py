"""Tokens of Microsoft Entra ID for an application of the user's own (the OAuth 2.0 client credentials flow).

Wire facts: Microsoft's page on that flow, ``POST <login>/<tenant>/oauth2/v2.0/token``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ..errors import BadSetting
from .accounts import variable
from .azure_errors import BY_ACCOUNT
from .client_credentials import Login
from .http import HttpClient
from .secret import Secret
from .tokens import Tokens

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
    place = f"{sandbox_url.rstrip('/')}{SANDBOX_PREFIX}" if sandbox_url else LOGIN
    login = Login(
        vendor=BY_ACCOUNT,
        title="Entra ID",
        url=f"{place}/{quote(options['tenant_id'], safe='')}/oauth2/v2.0/token",
        scope=SCOPE,
        reason=_code,
    )
    return login.tokens(http, options["client_id"], Secret(secret))


def _code(answer: Mapping[str, Any]) -> str | None:
    """Entra's number for the reason. Its sentence is left out: it may name the application."""
    codes = answer.get("error_codes")
    first = codes[0] if isinstance(codes, list) and codes else None
    return f"AADSTS{first}" if isinstance(first, int) else None
