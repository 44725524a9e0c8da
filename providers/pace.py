"""When to ask after a call that takes its time: seldom while it is surely too early, often around its likely end."""

from __future__ import annotations

from collections.abc import Iterator

SOON_S, FIRST_S, LONGEST_S, GROWTH = 0.02, 0.1, 1.0, 1.5
_EARLY = 0.9
"""The share of the time that the quickest of late took, before which nobody need ask."""
_FADING = 1.1
"""How much longer than the quickest a next one may be taken to be: quick times are forgotten bit by bit."""


class Pace:
    """What is known of how long calls take, by what they ask for. Without knowledge, pauses only grow."""

    def __init__(self) -> None:
        self._took: dict[str, float] = {}

    def took(self, what: str, seconds: float) -> None:
        """Learn how long a call took, from asking to hearing of its end."""
        known = self._took.get(what)
        self._took[what] = seconds if known is None else min(seconds, known * _FADING)

    def pauses(self, what: str | None) -> Iterator[float]:
        """Seconds to wait before each time of asking, without end; None is a call of unknown age."""
        expected = self._took.get(what, 0.0) * _EARLY if what is not None else 0.0
        # What was submitted this very moment is not over yet, however quick; what is resumed may be.
        yield max(expected, SOON_S) if what is not None else 0.0
        pause = FIRST_S
        while True:
            yield pause
            pause = min(LONGEST_S, pause * GROWTH)
