"""A worker that was changed and is tried first: how many jobs it gets, and what becomes of it. Pure."""

from __future__ import annotations

from typing import Literal

ENOUGH = 20
"""Jobs after which one whose failures did not exceed the others' has passed."""
FEWEST_FAILED = 3
"""Failures of which that is told at all: one or two may be the jobs' own."""
TIMES, BEYOND = 2.0, 0.05
"""It fails where its share of failures is more than so many times that of the others, and by so much more."""

Verdict = Literal["passed", "failed"]


class Trial:
    """Of one worker, which gets ``percent`` of the jobs that it could have, counted since this was made."""

    def __init__(self, percent: int) -> None:
        self.percent = percent
        self._began, self._began_elsewhere = 0, 0
        self._ended, self._failed = 0, 0
        self._ended_elsewhere, self._failed_elsewhere = 0, 0

    def allows(self) -> bool:
        """Whether it may have one more job now."""
        return self._began * 100 < self.percent * (self._began + self._began_elsewhere + 1)

    def began(self, *, here: bool) -> None:
        """A job began, here or on another worker."""
        if here:
            self._began += 1
        else:
            self._began_elsewhere += 1

    def ended(self, *, here: bool, well: bool) -> None:
        """A job's prompt ended, here or on another worker."""
        if here:
            self._ended, self._failed = self._ended + 1, self._failed + (not well)
        else:
            self._ended_elsewhere += 1
            self._failed_elsewhere += not well

    @property
    def verdict(self) -> Verdict | None:
        """What the trial comes to; None while that cannot be told."""
        others = self._failed_elsewhere / self._ended_elsewhere if self._ended_elsewhere else 0.0
        if self._failed >= FEWEST_FAILED and self._failed / self._ended > max(others * TIMES, others + BEYOND):
            return "failed"
        return "passed" if self._ended >= ENOUGH else None

    def __str__(self) -> str:
        return (
            f"{self._failed} of {self._ended} jobs failed there, {self._failed_elsewhere} of {self._ended_elsewhere}"
            " elsewhere"
        )
