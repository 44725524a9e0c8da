"""How many calls of a provider run at once, how many begin in a minute, and when it is left alone for a while.

A call waits for its turn before the journal says that it is asked: one that dies waiting was surely not paid for.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field

from ..errors import BadSetting, MintmarkError, ProviderDown, RateLimited
from .gate import Gate

MINUTE_S = 60.0
LONGEST_WAIT_S = 60.0
"""A provider that wants to be left alone for longer than this is not waited for: the caller hears of it at once."""
FAILURES = 10
"""Calls of one model in a row that fail because the provider is not there. One more is not asked at once."""
REST_S = 10.0
"""How long such a model is left alone before one call may try it again."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one process may ask of a provider. None: as much as it likes."""

    concurrency: int | None = None
    per_minute: int | None = None


DEFAULTS: Mapping[str, Limits] = {
    "bfl": Limits(concurrency=24),  # docs.bfl.ai: 24 active tasks
    "firefly": Limits(per_minute=4),  # Adobe's usage notes: 4 a minute for an organisation
    "ideogram": Limits(concurrency=10),  # ideogram's API pricing page: 10 in flight
    "replicate": Limits(per_minute=600),  # replicate.com/docs: 600 predictions a minute
    "stability": Limits(per_minute=900),  # Stability's OpenAPI: 150 in 10 s, and a minute's lockout beyond
}
"""As the vendors state them (2026-11), for live calls. Accounts differ: the setting ``provider_limits`` wins."""


def limits(provider: str, given: Mapping[str, str], *, live: bool = True) -> Limits:
    """The provider's limits, of the setting ``provider_limits`` (``bfl.concurrency=6``) or the vendor's; a sandbox has
    only those of the setting. Raises BadSetting."""
    default = DEFAULTS.get(provider, Limits()) if live else Limits()
    return Limits(
        concurrency=_limit(given, f"{provider}.concurrency", default.concurrency),
        per_minute=_limit(given, f"{provider}.per_minute", default.per_minute),
    )


def check_limits(given: Mapping[str, str], providers: tuple[str, ...]) -> None:
    """Raises BadSetting for a limit that there is not, or that is no number from 1."""
    for key, value in given.items():
        provider, _, limit = key.partition(".")
        if provider not in providers or limit not in ("concurrency", "per_minute"):
            raise BadSetting(
                f"provider_limits: there is no {key}.",
                hint=f"<provider>.concurrency or <provider>.per_minute, for {', '.join(providers)}.",
            )
        if not value.isdecimal() or int(value) < 1:
            raise BadSetting(f"provider_limits: {key} cannot be {value!r}.", hint="A whole number from 1.")


def _limit(given: Mapping[str, str], key: str, default: int | None) -> int | None:
    return int(given[key]) if key in given else default


@dataclass
class _Health:
    """How one model fared of late."""

    failures: int = 0
    until: float = 0.0


@dataclass(kw_only=True)
class Turns:
    """One provider's calls from this process."""

    provider: str
    limits: Limits
    gate: Gate
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    _places: AbstractAsyncContextManager[object] = field(init=False)
    _begun: deque[float] = field(default_factory=deque)
    _models: dict[str, _Health] = field(default_factory=dict)

    def __post_init__(self) -> None:
        most = self.limits.concurrency
        self._places = asyncio.Semaphore(most) if most else nullcontext()

    @asynccontextmanager
    async def turn(self, model: str) -> AsyncIterator[None]:
        """Wait until a call of this model may be made, and make it inside. Its outcome is learned from.

        Raises ProviderDown and RateLimited, with nothing asked or charged, where there is no point in waiting.
        """
        self._check_alive(model)
        async with self._places:
            await self._wait()
            self._try(model)
            self._begun.append(self.clock())
            try:
                yield
            except MintmarkError as exc:
                self._learn(model, failed=isinstance(exc, ProviderDown) or isinstance(exc.__cause__, ProviderDown))
                raise
            self._learn(model, failed=False)

    async def _wait(self) -> None:
        """Until the gate is open and the minute has room, both at once."""
        while (pause := max(self._closed_for(), self._full_for())) > 0:
            await self.sleep(pause)

    def _full_for(self) -> float:
        """Seconds until one more call may begin in its minute."""
        now, most = self.clock(), self.limits.per_minute
        while self._begun and now - self._begun[0] >= MINUTE_S:
            self._begun.popleft()
        return self._begun[-most] + MINUTE_S - now if most and len(self._begun) >= most else 0.0

    def _closed_for(self) -> float:
        """Seconds until the gate opens. Raises RateLimited where that is too long to wait."""
        if (pause := self.gate.closed_for()) > LONGEST_WAIT_S:
            raise RateLimited(
                f"{self.provider} asked to be left alone for another {pause:.0f} s.",
                hint="Wait, or ask for fewer at once.",
                provider=self.provider,
                charged="no",
                retry_after=pause,
            )
        return pause

    def _check_alive(self, model: str) -> None:
        health = self._models.get(model)
        if health is None or health.failures < FAILURES or (pause := health.until - self.clock()) <= 0:
            return
        raise ProviderDown(
            f"{self.provider} failed {health.failures} times in a row for {model}; it is left alone for {pause:.0f} s.",
            hint="Use another model, or try again later.",
            provider=self.provider,
            charged="no",
            retry_after=pause,
        )

    def _try(self, model: str) -> None:
        """Of those that come after a rest, one goes first: the others are refused until it is heard of."""
        self._check_alive(model)
        if (health := self._models.get(model)) is not None and health.failures >= FAILURES:
            health.until = self.clock() + REST_S

    def _learn(self, model: str, *, failed: bool) -> None:
        if not failed:
            # An answer, if perhaps not the one hoped for: the provider is there.
            self._models.pop(model, None)
            return
        health = self._models.setdefault(model, _Health())
        health.failures += 1
        health.until = self.clock() + REST_S
