"""OAuth 2.0 client credentials (RFC 6749 4.4): an application's id and secret for a short-lived token.

Asking for a token costs nothing and nothing else was asked yet, so no failure here is ever charged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import BadAnswer, ProviderAuth, ProviderDown, ProviderError
from .http import MIB, Failure, HttpClient, Reply
from .refusals import Vendor
from .secret import Secret
from .tokens import Token, Tokens, token_in


@dataclass(frozen=True, kw_only=True)
class Login:
    """Where an application signs in. ``reason`` reads the vendor's word for a refusal from its answer."""

    vendor: Vendor
    title: str
    """Its name in a sentence."""
    url: str
    scope: str
    reason: Callable[[Mapping[str, Any]], str | None]

    def tokens(self, http: HttpClient, client_id: str, secret: Secret) -> Tokens:
        """The application's tokens."""

        async def fetch() -> Token:
            return await self._fetched(http, client_id, secret)

        return Tokens(fetch, now=http.clock)

    async def _fetched(self, http: HttpClient, client_id: str, secret: Secret) -> Token:
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": secret.reveal(),
            "scope": self.scope,
        }
        try:
            reply = await http.send("POST", self.url, headers={}, form=form, max_bytes=MIB, repeat="idempotent")
        except Failure as failure:
            problem: ProviderError = self.vendor.unreached(failure, "no")
        else:
            if reply.status == 200:
                return self._token(reply)
            problem = self._refused(reply)
        raise problem

    def _token(self, reply: Reply) -> Token:
        token = token_in(_object(reply))
        if token is None:
            provider = self.vendor.provider
            raise BadAnswer(f"{self.title}'s answer holds no token.", provider=provider, charged="no", status=200)
        return token

    def _refused(self, reply: Reply) -> ProviderError:
        told: dict[str, Any] = {
            "provider": self.vendor.provider,
            "status": reply.status,
            "retry_after": reply.retry_after_s,
        }
        if reply.status >= 500 or reply.status == 429:
            return ProviderDown(f"{self.title} answers {reply.status}.", charged="no", **told)
        shown = self.reason(_object(reply)) or reply.status
        return ProviderAuth(f"{self.title} gives no token ({shown}).", hint=self.vendor.key, **told)


def _object(reply: Reply) -> Mapping[str, Any]:
    try:
        return reply.json()
    except ValueError:
        return {}
