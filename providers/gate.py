"""What a provider said about when to come back, remembered for all who call it from here.

Without this each call would learn by a 429 of its own that the limit is reached, and vendors lock out who keeps asking.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from .http import Reply

_REMAINING = ("x-ratelimit-remaining-requests", "x-ratelimit-remaining", "ratelimit-remaining")
_RESET = ("x-ratelimit-reset-requests", "x-ratelimit-reset", "ratelimit-reset")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
LONGEST_S = 3600.0
"""What claims to be further off is a date or a mistake."""

_USED_UP = Reply(status=429, headers={}, body=b"")
"""What would be answered to one call more than a window has."""


class Gate:
    """Closed until the provider will take calls again. One for each provider and process. Seconds throughout."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until = 0.0
        self._said = _USED_UP

    def closed_for(self) -> float:
        """How long nobody need ask; 0 where it is open."""
        return max(0.0, self._until - self._clock())

    def told(self, reply: Reply) -> None:
        """Learn from an answer: a 429 that says when to come back, or the last call that a window had left."""
        pause = reply.retry_after_s if reply.status == 429 else None
        if pause is None:
            pause = _spent(reply)
        if pause is not None and 0 < pause <= LONGEST_S and self._clock() + pause > self._until:
            # What used a window up holds images, which nobody shall keep for that long.
            self._until, self._said = self._clock() + pause, reply if reply.status == 429 else _USED_UP

    def last_word(self) -> Reply:
        """The 429 that still stands, as if it had been answered just now."""
        return replace(self._said, retry_after_s=self.closed_for())


def _spent(reply: Reply) -> float | None:
    """Seconds until the window starts anew, where this answer says that nothing is left of it."""
    if _first(reply, _REMAINING) != "0":
        return None
    return _seconds(_first(reply, _RESET))


def _first(reply: Reply, names: tuple[str, ...]) -> str:
    return next((value.strip() for name in names if (value := reply.headers.get(name))), "")


def _seconds(text: str) -> float | None:
    """``1.5`` and ``6m0s`` (OpenAI's and Azure's way) as seconds."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
