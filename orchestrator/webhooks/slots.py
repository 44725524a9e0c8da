"""Who may be sent to now: a bound for each target, a share for each project, and a few places for targets in trouble.

A target that failed of late, or was slow, gets one of the few: so tarpits, however many, hold up each other. One that
nobody has asked yet may be a tarpit too; then its project's share is all that it holds.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..turns import Shares

if TYPE_CHECKING:
    from .claiming import Tried

FEW = 8
"""One place of so many is for targets in trouble."""
SLOW_MS = 3000
LATE_S = 600.0
"""How long a target is held to be in trouble, if nothing was delivered there since."""
REMEMBERED = 1000


class Slots:
    """``at_once`` places. What is sent takes one with :meth:`take`, and gives it back with what that returned."""

    def __init__(self, at_once: int, per_target: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        few = max(1, at_once // FEW)
        self._most, self._few = Shares(max(1, at_once - few)), Shares(few)
        self._per_target, self._clock = per_target, clock
        self._targets: Counter[str] = Counter()
        self._troubled: OrderedDict[str, float] = OrderedDict()
        self.after = ""
        """The project that was looked at last: the next one is first."""

    def copy(self) -> Slots:
        """The same as it is now, for a thread that chooses."""
        other = Slots(1, self._per_target, clock=self._clock)
        other._most, other._few = self._most.copy(), self._few.copy()
        other._targets, other._troubled = Counter(self._targets), OrderedDict(self._troubled)
        other.after = self.after
        return other

    @property
    def free(self) -> int:
        """How many nobody has."""
        return self._most.free + self._few.free

    def in_turn(self, projects: Sequence[str]) -> list[str]:
        """Sorted projects, from the one after that which had its turn last."""
        return [each for each in projects if each > self.after] + [each for each in projects if each <= self.after]

    def full(self) -> list[str]:
        """Targets that have as many as they may."""
        return [target for target, count in self._targets.items() if count >= self._per_target]

    def troubled(self) -> list[str]:
        """Targets that failed of late, or were slow."""
        since = self._clock() - LATE_S
        return [target for target, at in self._troubled.items() if at > since]

    def rooms(self, project: str) -> tuple[bool, bool]:
        """Whether the project may send to a target in no trouble, and to one in trouble."""
        return self._most.may(project), self._few.may(project)

    def may(self, project: str, target: str) -> bool:
        """Whether one more may be sent."""
        return self._targets[target] < self._per_target and self._pool(target).may(project)

    def take(self, project: str, target: str) -> Callable[[], None]:
        """Count one that is sent; what takes it off again."""
        pool = self._pool(target)
        pool.take(project)
        self._targets[target] += 1

        def give() -> None:
            pool.give(project)
            self._targets[target] -= 1
            if not self._targets[target]:
                del self._targets[target]

        return give

    def learn(self, target: str, tried: Tried) -> None:
        """What a try tells of its target."""
        self._troubled.pop(target, None)
        if tried.again_at is not None or tried.latency_ms >= SLOW_MS:
            self._troubled[target] = self._clock()
            if len(self._troubled) > REMEMBERED:
                self._troubled.popitem(last=False)

    def _pool(self, target: str) -> Shares:
        at = self._troubled.get(target)
        return self._most if at is None or at <= self._clock() - LATE_S else self._few
