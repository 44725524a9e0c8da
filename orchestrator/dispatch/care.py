"""What is seen of one worker, in looks and in jobs, and what that comes to: quarantine, probation, free again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ... import log
from ...clock import Clock, utc_now
from ...errors import DiskFull, MintmarkError, NodeFailed
from ..fleet.entries import REASONS, Reason
from ..fleet.signs import Fault, Signs, kind_of
from ..fleet.standing import Standing
from .outcomes import is_memory

logger = log.get("orchestrator.care")

_NO_ROOM = ("No space left on device", "not enough space on the disk")


class Care:
    """Of the worker of this name. ``met`` is told of each quarantine: the worker, and why; ``ended`` of each prompt
    that ended there, and whether well."""

    def __init__(self, name: str, *, now: Clock = utc_now) -> None:
        self._name, self._now = name, now
        self.standing = Standing()
        self.met: Callable[[str, str], None] = lambda name, reason: None
        self.ended: Callable[[str, bool], None] = lambda name, well: None
        self._signs = Signs()

    # -- looks --------------------------------------------------------------------------------------------------------

    def looked_well(self) -> None:
        """It answered, and is as it should be."""
        if self.standing.answered(self._now()):
            logger.info(
                "%s is on probation",
                self._name,
                extra=log.action("worker_on_probation", worker=self._name),
            )

    def looked_ill(self, reason: Reason) -> None:
        """It did not answer, or not as it should."""
        self._strike(reason)

    def runs(self, seconds: float) -> None:
        """Its longest job runs for so long by now, while it is well."""
        if self.standing.ran(seconds, self._now()):
            self._told_free()

    def listened(self, deaf_in_a_row: int) -> None:
        """So many of its sockets in a row brought nothing."""
        self._strike(self._signs.listened(deaf_in_a_row))

    # -- jobs ---------------------------------------------------------------------------------------------------------

    def failed(self, job_id: str, error: BaseException) -> None:
        """A job's prompt failed there."""
        self._strike(self._signs.failed(job_id, fault_of(error)))
        self.ended(self._name, False)

    def succeeded(self, digest: str, graph: Mapping[str, Any], seconds: float) -> None:
        """A job's prompt ended well there, for which its device was at work for so long; 0 where it was not."""
        self.ended(self._name, True)
        kind = kind_of(digest, graph) if seconds > 0 else None
        slow = self._signs.succeeded(kind, seconds)
        if slow is not None:
            self._strike(slow)
        elif self.standing.succeeded():
            self._told_free()

    # -- within -------------------------------------------------------------------------------------------------------

    def _strike(self, reason: Reason | None) -> None:
        if reason is None or not self.standing.strike(reason, self._now()):
            return
        logger.warning(
            "%s gets no jobs for now: %s (until %s at least)",
            self._name,
            REASONS[reason],
            f"{self.standing.until:%H:%M:%S}",
            extra=log.action("worker_quarantined", worker=self._name, reason=reason),
        )
        self.met(self._name, reason)

    def _told_free(self) -> None:
        logger.info("%s gets jobs as before", self._name, extra=log.action("worker_free", worker=self._name))


def fault_of(error: BaseException) -> Fault | None:
    """Whether it is the worker's memory or disk that the prompt failed for."""
    if not isinstance(error, MintmarkError):
        return None
    if is_memory(error):
        return "memory"
    full = isinstance(error, NodeFailed) and any(words in error.message for words in _NO_ROOM)
    return "disk" if full or isinstance(error, DiskFull) else None
