"""Whether a worker is given jobs, and how many: free, drained, in quarantine, or on probation. Pure: time is given.

A fault puts it into quarantine, for a pause that doubles with each fault in a row. When that is over and it answers, it
is on probation: one job at a time. One that succeeds sets it free; another fault, and it is back, for longer.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from .bounds import FIRST_PAUSE_S, FORGIVEN_S, LAST_PAUSE_S, LINE_LAST_PAUSE_S, LINE_PAUSE_S, PROBATION_S
from .entries import OF_THE_LINE, REASONS, Entry, Reason

Told = Literal["up", "draining", "quarantined", "probation"]


class Standing:
    """Of one worker, as one process has it."""

    def __init__(self) -> None:
        self.draining = False
        self.reason: Reason | None = None
        """Why it is in quarantine or on probation; None where it is neither."""
        self.until: datetime | None = None
        """When the pause is over."""
        self.strikes = 0
        self.struck_at: datetime | None = None
        self.untold = False
        """Whether the registry does not have it yet."""
        self._probation_since: datetime | None = None

    @property
    def told(self) -> Told:
        """In a word."""
        if self.draining:
            return "draining"
        if self.reason is None:
            return "up"
        return "quarantined" if self._waits else "probation"

    @property
    def _waits(self) -> bool:
        """Whether it is in quarantine, drained or not."""
        return self.reason is not None and self._probation_since is None

    @property
    def why(self) -> str:
        """Why it is not free, in words; empty where it is."""
        return REASONS[self.reason] if self.reason is not None else ""

    def allowed(self, capacity: int) -> int:
        """How many jobs it may have, of those that it could."""
        return {"up": capacity, "probation": min(1, capacity), "draining": 0, "quarantined": 0}[self.told]

    # -- what happens -------------------------------------------------------------------------------------------------

    def strike(self, reason: Reason, at: datetime) -> bool:
        """A fault: no jobs from now on, for longer than the last time. False where it is in quarantine already."""
        if self._waits and (reason == self.reason or reason in OF_THE_LINE):
            return False
        if self.struck_at is not None and self._is_forgiven(self.struck_at, at):
            self.strikes = 0
        self.strikes += 1
        self.untold = reason not in OF_THE_LINE or (self.reason is not None and self.reason not in OF_THE_LINE)
        self.reason, self.struck_at, self._probation_since = reason, at, None
        self.until = at + timedelta(seconds=pause_s(reason, self.strikes))
        return True

    def _is_forgiven(self, struck_at: datetime, at: datetime) -> bool:
        return at - max(self.until or struck_at, struck_at) > timedelta(seconds=FORGIVEN_S)

    def answered(self, at: datetime) -> bool:
        """It says that it is well; whether its probation begins with that."""
        if not self._waits or (self.until is not None and at < self.until):
            return False
        self._probation_since = at
        return True

    def ran(self, seconds: float, at: datetime) -> bool:
        """A job runs there for so long, and nothing is wrong; whether that sets it free."""
        since = self._probation_since
        if since is None or min(seconds, (at - since).total_seconds()) < PROBATION_S:
            return False
        return self.succeeded()

    def succeeded(self) -> bool:
        """A job ended well there; whether that sets it free. Nothing else does while the pause lasts."""
        if self._probation_since is None:
            return False
        self.untold = self.reason not in OF_THE_LINE
        self._free()
        return True

    def pardon(self) -> None:
        """Somebody says that it is well, whatever was against it."""
        self.strikes, self.struck_at, self.untold = 0, None, False
        self._free()

    # -- what the registry has ----------------------------------------------------------------------------------------

    def take(self, entry: Entry | None) -> None:
        """Stand as the registry says; None: it has nothing of it. What only this process has met stays."""
        self.draining = entry is not None and entry.state == "draining"
        if self.untold or (self.reason in OF_THE_LINE and not self.draining):
            return
        if entry is None or entry.state != "quarantined":
            self._free()
        elif entry.struck_at != self.struck_at or self.reason is None:
            self.reason, self.until = entry.reason, entry.until
            self.strikes, self.struck_at, self._probation_since = entry.strikes, entry.struck_at, None

    def entry(self, name: str, at: datetime) -> Entry:
        """What the registry is told."""
        told = self.reason is not None and self.reason not in OF_THE_LINE
        return Entry(
            name=name,
            url=None,
            state="quarantined" if told else "up",
            reason=self.reason if told else None,
            until=self.until if told else None,
            strikes=self.strikes,
            struck_at=self.struck_at,
            added_at=at,
            added_by="service",
        )

    def _free(self) -> None:
        # How often and when it was struck is remembered: the next pause depends on it.
        self.reason = self._probation_since = None


def pause_s(reason: Reason, strikes: int) -> float:
    """For how long it is given no jobs after so many faults in a row, in seconds."""
    if reason not in OF_THE_LINE:
        return min(FIRST_PAUSE_S * 2.0 ** (strikes - 1), LAST_PAUSE_S)
    # A process that was started again is well, mostly.
    return 0.0 if strikes == 1 else min(LINE_PAUSE_S * 2.0 ** (strikes - 2), LINE_LAST_PAUSE_S)
