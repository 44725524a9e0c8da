"""Who asks Google: a key, or this machine's own account by google-auth (the extra ``google``).

The account is found as all of Google's tools find it (application default credentials: the file that
``GOOGLE_APPLICATION_CREDENTIALS`` names, what ``gcloud auth application-default login`` left, the metadata server).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import timezone
from typing import Any, Protocol

from .. import log
from ..clock import utc_now
from ..errors import MissingExtra, ProviderAuth, ProviderDown
from .secret import Secret
from .tokens import Token, Tokens, token_in

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_USUAL_LIFE_S = 3600.0


class Caller(Protocol):
    """Who asks."""

    async def headers(self) -> Mapping[str, str]:
        """The headers that prove it. Raises ProviderError where that cannot be had; nothing was asked then."""

    def refused(self, headers: Mapping[str, str]) -> None:
        """Google did not take these."""


class KeyCaller:
    """An API key, of the Gemini API or of Google Cloud."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    async def headers(self) -> Mapping[str, str]:
        return {"x-goog-api-key": self._key.reveal()}

    def refused(self, headers: Mapping[str, str]) -> None:
        """A key stays what it is."""


class AccountCaller:
    """An account of Google Cloud; ``find`` gives its credentials (of google-auth) when they are first needed."""

    def __init__(self, find: Callable[[], Any] | None = None) -> None:
        """Raises MissingExtra where google-auth is not installed."""
        self._find = find or _application_default
        self._credentials: Any = None
        self._tokens = Tokens(self._fetch)
        _installed()

    async def headers(self) -> Mapping[str, str]:
        headers = await self._tokens.headers()
        # Whose quota a person's own login uses; the official SDK sends it too.
        quota = getattr(self._credentials, "quota_project_id", None)
        return {**headers, "x-goog-user-project": str(quota)} if quota else headers

    def refused(self, headers: Mapping[str, str]) -> None:
        self._tokens.refused(Secret(headers["Authorization"].removeprefix("Bearer ")))

    async def _fetch(self) -> Token:
        return await asyncio.to_thread(self._refreshed)

    def _refreshed(self) -> Token:
        import requests
        from google.auth import exceptions
        from google.auth.transport.requests import Request

        try:
            self._credentials = self._credentials or self._find()
            with requests.Session() as session:
                self._credentials.refresh(Request(session=session))
        except exceptions.TransportError as exc:
            raise ProviderDown(
                f"Google gave no access token ({_said(exc)}).", provider="google", charged="no"
            ) from None
        except exceptions.GoogleAuthError as exc:
            raise _refused(_said(exc)) from None
        except (OSError, ValueError) as exc:
            # A file that cannot be read, or is none. By its name alone: its text may quote what stands there.
            raise _refused(type(exc).__name__) from None
        told = {"access_token": self._credentials.token, "expires_in": _life(self._credentials.expiry)}
        if (token := token_in(told)) is None:
            raise _refused("none that could be sent")
        return token


def _installed() -> None:
    try:
        import google.auth  # noqa: F401 - asked for here, so that its lack is told before anything is asked
        import requests  # noqa: F401
    except ImportError as exc:
        raise MissingExtra(
            "Google's accounts need the google-auth package.", hint='pip install "mintmark[google]"'
        ) from exc


def _application_default() -> Any:
    import google.auth

    credentials, _ = google.auth.default(scopes=list(_SCOPES))
    return credentials


def _refused(why: str) -> ProviderAuth:
    return ProviderAuth(
        f"Google gave no access token ({why}).",
        hint="Check the account: gcloud auth application-default login, or GOOGLE_APPLICATION_CREDENTIALS.",
        provider="google",
    )


def _life(expiry: Any) -> float:
    """Seconds; google-auth's times are UTC without saying so."""
    if expiry is None:
        return _USUAL_LIFE_S
    left = expiry.replace(tzinfo=timezone.utc) - utc_now()
    # Where our clock is ahead it seems to be over already, and is as good as any.
    return max(1.0, float(left.total_seconds()))


def _said(exc: Exception) -> str:
    """Google's words, which hold no secret; an exception of google-auth may carry a whole answer behind them."""
    return log.redact(str(exc.args[0]) if exc.args else type(exc).__name__)[:200]
