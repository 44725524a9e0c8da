"""Places that many share: nobody takes so many that the next one finds none.

Whoever has fewer than are still free may take another. One alone so gets half of them, two a third each, and whoever
comes then still finds some, however slow the others are.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..errors import TooManyRequests

_AGAIN_S = 5


class Shares:
    """``most`` places, of which one name gets ``each`` at most, and never more than are still free."""

    def __init__(self, most: int, *, each: int | None = None) -> None:
        self._most, self._each = most, most if each is None else each
        self._held: Counter[str] = Counter()

    def copy(self) -> Shares:
        """The same as it is now, for who tries out what would be given."""
        other = Shares(self._most, each=self._each)
        other._held = Counter(self._held)
        return other

    @property
    def free(self) -> int:
        """How many nobody has."""
        return self._most - self._held.total()

    def may(self, name: str) -> bool:
        """Whether there is one more for this name."""
        return self._held[name] < min(self._each, self.free)

    def take(self, name: str) -> None:
        """Count one more of this name."""
        self._held[name] += 1

    def give(self, name: str) -> None:
        """One of this name is free again."""
        self._held[name] -= 1
        if not self._held[name]:
            del self._held[name]


class Turns:
    """:class:`Shares` that are waited for: each name has a line of its own, of ``waiting`` at most, and what becomes
    free goes to the lines in turn. ``what`` is what they wait for, in the words of a refusal."""

    def __init__(self, most: int, *, each: int, waiting: int | None = None, what: str = "") -> None:
        self._shares, self._most_waiting, self._what = Shares(most, each=each), waiting, what
        self._lines: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def one(self, name: str) -> AsyncIterator[None]:
        """Wait for a place and have it. Raises TooManyRequests where the name's line is too long."""
        if name in self._lines or not self._shares.may(name):
            await self._wait(name)
        else:
            self._shares.take(name)
        try:
            yield
        finally:
            self._give(name)

    async def _wait(self, name: str) -> None:
        line = self._lines.get(name) or deque()
        if self._most_waiting is not None and len(line) >= self._most_waiting:
            raise TooManyRequests(
                f"{len(line)} {self._what} of this key wait already, and no more may.",
                hint="Wait until some are done.",
                limit="waiting",
                left=0,
                retry_after_s=_AGAIN_S,
            )
        self._lines[name] = line
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._leave(name, turn)
            else:
                self._give(name)  # it was ours already
            raise

    def _leave(self, name: str, turn: asyncio.Future[None]) -> None:
        line = self._lines.get(name)
        if line is not None and turn in line:
            line.remove(turn)
            if not line:
                del self._lines[name]

    def _give(self, name: str) -> None:
        self._shares.give(name)
        while any(self._next_of(each) for each in list(self._lines)):
            pass

    def _next_of(self, name: str) -> bool:
        """Have the first of this line go, where it may; whether it did."""
        if not self._shares.may(name):
            return False
        line = self._lines[name]
        while line:
            if not (turn := line.popleft()).cancelled():
                self._shares.take(name)
                turn.set_result(None)
                break
        else:
            del self._lines[name]
            return False
        if line:
            self._lines.move_to_end(name)
        else:
            del self._lines[name]
        return True
