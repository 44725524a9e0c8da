"""Tokens of Adobe's Identity Management System for an OAuth server-to-server credential.

Wire facts: developer.adobe.com/firefly-services (getting started): ``POST /ims/token/v3`` with a form, answered with
``{access_token, token_type, expires_in}``; a token is good for a day.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import log
from .client_credentials import Login
from .firefly_errors import VENDOR
from .http import HttpClient
from .secret import Secret
from .tokens import Tokens

IMS_URL = "https://ims-na1.adobelogin.com/ims"
SANDBOX_PREFIX = "/firefly/ims"
SCOPE = "openid,AdobeID,session,additional_info,read_organizations,firefly_api,ff_apis"


def ims_tokens(http: HttpClient, *, client_id: str, secret: Secret, sandbox_url: str | None = None) -> Tokens:
    """The credential's tokens."""
    ims = f"{sandbox_url.rstrip('/')}{SANDBOX_PREFIX}" if sandbox_url else IMS_URL
    login = Login(vendor=VENDOR, title="Adobe", url=f"{ims}/token/v3", scope=SCOPE, reason=_word)
    return login.tokens(http, client_id, secret)


def _word(answer: Mapping[str, Any]) -> str | None:
    """OAuth's word for the reason, such as "invalid_client"."""
    word = answer.get("error")
    return log.redact(word)[:64] if isinstance(word, str) else None
