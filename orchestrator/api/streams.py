"""How many streams are open: each looks at the store now and then, and holds a connection until its job is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from ...errors import TooManyRequests

MOST = 1000
"""Of one key at once, in one process."""
_AGAIN_S = 5


class Streams:
    """One per app."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def full(self, whose: str) -> bool:
        """Whether :meth:`one` would refuse now."""
        return self._open[whose] >= MOST

    @contextmanager
    def one(self, whose: str) -> Iterator[None]:
        """Count a stream, or an answer that waits for its job, for as long as it is open. Raises TooManyRequests."""
        if self.full(whose):
            raise TooManyRequests(
                f"{MOST} streams and waiting requests of this key are open, and no more may be.",
                hint="Close some, or have a webhook told.",
                limit="streams",
                left=0,
                retry_after_s=_AGAIN_S,
            )
        self._open[whose] += 1
        try:
            yield
        finally:
            self._open[whose] -= 1
            self._open += Counter()  # forgets who has none


STREAMS: web.AppKey[Streams] = web.AppKey("streams", Streams)
