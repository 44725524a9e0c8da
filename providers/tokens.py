"""A short-lived bearer token: fetched once for all who wait for it, kept in memory, renewed before it ends."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from .secret import Secret
from .together import Together

EARLY_S = 300.0
"""A token is renewed this long before its end, so that none runs out on its way. Half its life, if that is shorter."""


@dataclass(frozen=True, kw_only=True)
class Token:
    """``expires_in_s`` counts from when it was asked for: a token that took long to come is no younger for it."""

    value: Secret
    expires_in_s: float


def token_in(body: Mapping[str, Any]) -> Token | None:
    """The token of an OAuth 2.0 answer (RFC 6749 5.1). None where there is none that could be sent, or that ends."""
    value, expires = body.get("access_token"), body.get("expires_in")
    if not isinstance(value, str) or not value or not all("!" <= letter <= "~" for letter in value):
        return None
    try:
        seconds = 0.0 if isinstance(expires, bool) else float(expires)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return Token(value=Secret(value), expires_in_s=seconds) if isfinite(seconds) and seconds > 0 else None


Fetch = Callable[[], Awaitable[Token]]


class Tokens:
    """The token of one account. ``fetch`` asks for a new one, and raises ProviderError where it gets none."""

    def __init__(self, fetch: Fetch, *, now: Callable[[], float] = time.monotonic) -> None:
        self._fetch, self._now = fetch, now
        self._together = Together[Secret]()
        self._value: Secret | None = None
        self._until = 0.0

    async def get(self) -> Secret:
        """A token that is good for a while yet. Raises what ``fetch`` raises, to all who waited for it; the next caller
        asks again."""
        return await self._together.get(self._kept, self._renewed)

    def _kept(self) -> Secret | None:
        return self._value if self._now() < self._until else None

    async def _renewed(self) -> Secret:
        asked = self._now()
        token = await self._fetch()
        self._value = token.value
        self._until = asked + max(token.expires_in_s - EARLY_S, token.expires_in_s / 2)
        return token.value

    async def headers(self) -> dict[str, str]:
        """The header that carries it. Raises like :meth:`get`."""
        return {"Authorization": f"Bearer {(await self.get()).reveal()}"}

    def refused(self, value: Secret) -> None:
        """The vendor no longer takes this one: the next caller gets a new one. An older one than ours says nothing."""
        if self._value == value:
            self._value = None
