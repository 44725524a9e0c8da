"""When a job that is not over, on a worker that answers, counts as stuck. Pure: the clock is given to it."""

from __future__ import annotations


class Watchdog:
    """``sign`` is whatever shows where things stand; as long as it changes, or something is heard, nothing is stuck."""

    def __init__(self, stuck_s: float, now: float) -> None:
        self._stuck_s = stuck_s
        self._moved = now
        self._sign: object = None

    def heard(self, now: float) -> None:
        """Something was heard of the job."""
        self._moved = now

    def looked(self, sign: object, now: float) -> None:
        """The worker's books show this."""
        if sign != self._sign:
            self._sign, self._moved = sign, now

    def quiet_s(self, now: float) -> float:
        """For how long nothing has moved, in seconds."""
        return now - self._moved

    def stuck(self, now: float) -> bool:
        """Whether that is too long."""
        return self.quiet_s(now) >= self._stuck_s
