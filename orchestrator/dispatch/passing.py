"""Since when jobs are passed over, and for whom: what bounds how long that may last. Pure."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping

from ..placement.values import Choice

COMES_S = 5.0
"""A worker for which a job is left, and which does not come for it for so long, is not waited for any more."""
NOBODY_S = 120.0
"""How long jobs of a kind wait for a worker that could run them, where there is none."""
UNTOLD_S = 600.0
"""A worker of which nobody ever heard what it has is waited for so long, since this service knows it."""

_PASSED = frozenset({"waits_for_warm", "overtaken"})


class Passing:
    """Times are on one clock, whichever that is."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._left_for: dict[str, tuple[str, float]] = {}
        self._absent: dict[str, frozenset[str]] = {}
        self._nobody: dict[Hashable, float] = {}

    def note(self, asking: str, told: Mapping[str, Choice], now: float) -> list[str]:
        """What was decided when this worker asked; the workers that are to hear that a job is theirs."""
        news = []
        for job_id, choice in told.items():
            if choice.worker is None:
                self._left_for.pop(job_id, None)
                if choice.reason == "nobody_can":
                    self._absent.pop(job_id, None)
                if choice.reason in _PASSED:
                    self._since.setdefault(job_id, now)
            elif choice.worker != asking and self._leave(job_id, choice.worker, now):
                news.append(choice.worker)
        return news

    def _leave(self, job_id: str, worker: str, now: float) -> bool:
        """Leave it for this worker; whether that is new."""
        known, since = self._left_for.get(job_id, ("", now))
        if known != worker:
            self._left_for[job_id] = worker, now
            return True
        if now - since > COMES_S:
            self._absent[job_id] = self.absent(job_id) | {worker}
        return False

    def over_s(self, job_id: str, now: float) -> float:
        """For how long the job is passed over; 0 where it never was."""
        return now - self._since.get(job_id, now)

    def absent(self, job_id: str) -> frozenset[str]:
        """Workers that did not come for the job."""
        return self._absent.get(job_id, frozenset())

    def is_hopeless(self, kind: Hashable, choice: Choice, now: float) -> bool:
        """Whether nobody could run jobs of this kind for so long that they need not wait for anybody, as ``choice``
        says of one of them."""
        if choice.reason != "nobody_can":
            self._nobody.pop(kind, None)
            return False
        return now - self._nobody.setdefault(kind, now) >= NOBODY_S

    def keep(self, job_ids: Collection[str], kinds: Collection[Hashable]) -> None:
        """All other jobs, and those of other kinds, wait no longer."""
        self._nobody = {each: since for each, since in self._nobody.items() if each in kinds}
        self._since = {each: since for each, since in self._since.items() if each in job_ids}
        self._left_for = {each: left for each, left in self._left_for.items() if each in job_ids}
        self._absent = {each: names for each, names in self._absent.items() if each in job_ids}
