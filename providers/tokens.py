"""A short-lived bearer token: fetched once for all who wait for it, kept in memory, renewed before it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .secret import Secret

EARLY_S = 300.0
"""A token is renewed this long before its end, so that none runs out on its way. Half its life, if that is shorter."""


@dataclass(frozen=True, kw_only=True)
class Token:
    """``expires_in_s`` counts from when it was asked for: a token that took long to come is no younger for it."""

    value: Secret
    expires_in_s: float


Fetch = Callable[[], Awaitable[Token]]


class Tokens:
    """The token of one account. ``fetch`` asks for a new one, and raises ProviderError where it gets none."""

    def __init__(self, fetch: Fetch, *, now: Callable[[], float] = time.monotonic) -> None:
        self._fetch, self._now = fetch, now
        self._lock = asyncio.Lock()
        self._value: Secret | None = None
        self._until = 0.0

    async def get(self) -> Secret:
        """A token that is good for a while yet. Raises what ``fetch`` raises; the next caller asks again."""
        async with self._lock:
            if self._value is None or self._now() >= self._until:
                asked = self._now()
                token = await self._fetch()
                self._value = token.value
                self._until = asked + max(token.expires_in_s - EARLY_S, token.expires_in_s / 2)
            return self._value

    async def headers(self) -> dict[str, str]:
        """The header that carries it. Raises like :meth:`get`."""
        return {"Authorization": f"Bearer {(await self.get()).reveal()}"}

    def refused(self, value: Secret) -> None:
        """The vendor no longer takes this one: the next caller gets a new one. An older one than ours says nothing."""
        if self._value == value:
            self._value = None
