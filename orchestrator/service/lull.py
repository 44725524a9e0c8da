"""When the service has time for work that nobody waits for: in a lull, else late, and then slowly.

Such work holds Python's lock by the millisecond, and each job that runs meanwhile waits for it several times.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

QUIET_S = 2.0
"""So long after the last thing happened to a job it is a lull."""
LATE_S = 30.0
"""So long such work is put off at most."""
SHARE = 0.1
"""The part of a core that it takes while jobs run."""


class Lull:
    """Safe to use from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stirred = float("-inf")
        self._done = clock()
        self._closed = threading.Event()

    def stir(self) -> None:
        """Something happened to a job just now."""
        self._stirred = self._clock()

    @property
    def is_on(self) -> bool:
        """Whether nothing has happened to jobs for a while."""
        return self._clock() - self._stirred >= QUIET_S

    def comes(self) -> bool:
        """Whether to do now what was put off. Once this was answered with yes, it counts as done."""
        if not self.is_on and self._clock() - self._done < LATE_S:
            return False
        self._done = self._clock()
        return True

    def rest(self, worked_s: float) -> bool:
        """After so much of that work: wait as long as jobs are owed for it; whether to go on then. Blocks."""
        return not self._closed.wait(0.0 if self.is_on else worked_s * (1 / SHARE - 1))

    def close(self) -> None:
        """Nothing more is to be done."""
        self._closed.set()
