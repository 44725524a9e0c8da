"""Whether a file gets a timestamp: asked for where an authority is set, and what its absence means by policy."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple, Protocol

from .. import log
from ..errors import TimestampFailed
from .authority import Authority, NoTimestamp
from .relay import Relay, Ticket

_log = log.get("provenance.timestamps")

Policy = Literal["prefer", "require"]
MOST_S = 25.0
"""The most that an authority is waited for, in seconds: after half a minute c2pa gives up by itself, saying little."""
REST_S = 60.0
"""How long an authority that failed is left alone where files are signed without it, in seconds: else each file of a
day without it would wait for it in vain."""


class StampSettings(Protocol):
    """The settings that say whether files are stamped."""

    @property
    def timestamp_url(self) -> str | None: ...
    @property
    def timestamp_policy(self) -> Policy: ...
    @property
    def timestamp_timeout_s(self) -> float: ...


class Stamping(NamedTuple):
    """An authority, and what its silence means."""

    authority: Authority
    policy: Policy


def stamping(settings: StampSettings) -> Stamping | None:
    """What these settings ask for; None where no authority is set."""
    if settings.timestamp_url is None:
        return None
    within_s = min(settings.timestamp_timeout_s, MOST_S)
    return Stamping(Authority(settings.timestamp_url, within_s), settings.timestamp_policy)


class Stamper:
    """Brings files to the authority, from any thread."""

    def __init__(self, wanted: Stamping, clock: Callable[[], float] = time.monotonic) -> None:
        self._wanted = wanted
        self._clock = clock
        self._lock = threading.Lock()
        self._relay: Relay | None = None
        self._resting_until = 0.0
        self._why = ""

    @contextmanager
    def ticket(self) -> Iterator[Ticket | None]:
        """The way to a timestamp for one file; None where it is to be signed without.

        Raises :class:`TimestampFailed` where one is required and cannot even be asked for.
        """
        try:
            relay = self._open()
        except (NoTimestamp, OSError) as exc:
            self.missed(str(exc))
            yield None
            return
        if relay is None:
            yield None
            return
        with relay.ticket() as ticket:
            yield ticket

    def missed(self, why: str) -> None:
        """There was no timestamp. Raises :class:`TimestampFailed` where one is required."""
        if self._wanted.policy == "require":
            raise TimestampFailed(
                f"No timestamp: {why}.",
                hint="The file was not delivered. MINTMARK_TIMESTAMP_POLICY=prefer signs without one.",
            )
        with self._lock:
            self._resting_until, self._why = self._clock() + REST_S, why
        _log.warning("signed without a timestamp: %s", why, extra=log.action("timestamp_missing"))

    @property
    def why(self) -> str:
        """Why files are signed without a timestamp just now."""
        return self._why

    def close(self) -> None:
        """May be called again."""
        with self._lock:
            relay, self._relay = self._relay, None
        if relay is not None:
            relay.close()

    def _open(self) -> Relay | None:
        with self._lock:
            if self._clock() < self._resting_until:
                return None
            if self._relay is None:
                self._relay = Relay(self._wanted.authority)
            return self._relay
