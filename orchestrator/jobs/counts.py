"""The numbers of queues: summed up in a transaction and written at its end, because many want these rows at once.

Everybody takes them last and in one order, so nobody who has one waits for anything else of the store's.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ...storage.base import TryAgain
from .queueing import lane_of

if TYPE_CHECKING:
    from ...storage.base import Session

_ADD = """
UPDATE queues SET waiting = waiting + :waiting, ready = ready + :ready, running = running + :running,
       succeeded = succeeded + :succeeded, failed = failed + :failed, canceled = canceled + :canceled,
       served = CASE WHEN served < CAST(:served AS BIGINT) THEN CAST(:served AS BIGINT) ELSE served END
WHERE queue_id = :queue_id
"""
_WAITING = " RETURNING waiting"
_BEGIN = """
INSERT INTO queues (queue_id, lane, served, waiting, ready, running, succeeded, failed, canceled)
VALUES (:queue_id, :lane, (SELECT virtual_time FROM claiming), 0, 0, 0, 0, 0, 0) ON CONFLICT (queue_id) DO NOTHING
"""
_COLUMNS = ("waiting", "ready", "running", "succeeded", "failed", "canceled")


class Counts:
    """What is to be added, by queue. ``most``: how many of a queue may wait when more are accepted."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._changes: dict[str, Counter[str]] = {}
        self._served: dict[str, int] = {}

    def add(self, queue_id: str, **changes: int) -> None:
        """Have its numbers grow by these: ``waiting`` (``ready`` of them, ``accepted`` of them now), ``running``, or by
        the end they came to."""
        counter = self._changes.setdefault(queue_id, Counter())
        for name, change in changes.items():
            counter[name] += change

    def serve(self, queue_id: str, served: int) -> None:
        """Have its virtual time be this; it only goes on."""
        self._served[queue_id] = served

    def waiting(self, *queue_ids: str) -> int:
        """How many more of these queues wait, or of all of them."""
        return sum(self._changes[each]["waiting"] for each in queue_ids or self._changes if each in self._changes)

    def copy(self) -> Counts:
        """The same, to go back to."""
        made = Counts(self._most)
        made._changes = {queue_id: counter.copy() for queue_id, counter in self._changes.items()}
        made._served = dict(self._served)
        return made

    def restore(self, before: Counts) -> None:
        """Be as that copy."""
        self._changes, self._served = before._changes, before._served

    def write(self, db: Session) -> None:
        """Write them down. Raises TryAgain where others were accepted meanwhile, and these are too many now: whoever
        looks again sees that, and refuses."""
        for queue_id in sorted(self._changes):
            changes = {name: self._changes[queue_id][name] for name in _COLUMNS}
            changes["served"] = self._served.get(queue_id, 0)
            if any(change < 0 for change in changes.values()) and not self._changes[queue_id]["accepted"]:
                db.run(_ADD, queue_id=queue_id, **changes)  # what is taken away was there
            elif any(changes.values()):
                waiting = self._write(db, queue_id, changes)
                if self._most is not None and self._changes[queue_id]["accepted"] and waiting > self._most:
                    raise TryAgain
        self._changes.clear()
        self._served.clear()

    def _write(self, db: Session, queue_id: str, changes: dict[str, int]) -> int:
        rows = db.run(_ADD + _WAITING, queue_id=queue_id, **changes)
        if not rows:
            db.run(_BEGIN, queue_id=queue_id, lane=lane_of(queue_id))
            rows = db.run(_ADD + _WAITING, queue_id=queue_id, **changes)
        return int(rows[0]["waiting"])
