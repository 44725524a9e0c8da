"""The side task that writes down what is counted in memory, and chains what waits for the audit log."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ... import log
from ...clock import Clock
from ...errors import MintmarkError
from . import audit, jobs, key_book, velocity

if TYPE_CHECKING:
    from ...storage.base import Session, Store

logger = log.get("access")

EVERY_S = 2.0
USED_EVERY = timedelta(seconds=60)
"""``used_at`` is written once a minute at most: who looks at it asks for days."""


class Tending:
    """``used``: when each key was last used, filled by others."""

    def __init__(self, store: Store, pace: velocity.Velocity, used: dict[str, datetime], now: Clock) -> None:
        self._store, self._velocity, self._used, self._now = store, pace, used, now
        self._written: dict[str, datetime] = {}
        self._forgot_at: datetime | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="access tending")

    async def stop(self) -> None:
        """End, with nothing left unwritten as far as the database lets us."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.to_thread(self._try)

    async def watch(self) -> None:
        """Wait until the side task ends, which it never should. Raises what ended it."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            await asyncio.to_thread(self._try)

    def _try(self) -> None:
        try:
            self.write()
        except MintmarkError as exc:
            # It is all still there the next time.
            logger.warning("Counts and audit rows wait: %s", exc, extra=log.action("tending_failed"))

    def write(self) -> None:
        """Write all of it down. Blocks."""
        self._write_orders()
        self._write_flags()
        self._write_used()
        self._forget()
        # A look costs less than a transaction that finds nothing to do.
        while self._store.read(audit.waits) and self._store.transact(audit.chain_waiting) == audit.BATCH:
            pass

    def _write_orders(self) -> None:
        if not (counted := self._velocity.due()):
            return
        try:
            paces = self._store.transact(lambda db: velocity.write(db, counted))
        except BaseException:
            self._velocity.again(counted)
            raise
        self._velocity.learned(paces)

    def _write_flags(self) -> None:
        if not (untold := self._velocity.untold()):
            return
        try:
            self._store.transact(lambda db: audit.chain(db, untold))
        except BaseException:
            for each in untold:
                self._velocity.tell(each)
            raise

    def _forget(self) -> None:
        at = self._now()
        if self._forgot_at is None or at - self._forgot_at > timedelta(hours=1):
            self._store.transact(lambda db: _forget(db, at))
            self._forgot_at = at

    def _write_used(self) -> None:
        long_ago = datetime.min.replace(tzinfo=self._now().tzinfo)
        due = {
            key_id: at
            for key_id, at in sorted(self._used.copy().items())
            if at - self._written.get(key_id, long_ago) >= USED_EVERY
        }

        def work(db: Session) -> None:
            for key_id, at in due.items():
                key_book.used(db, key_id, at)

        if due:
            self._store.transact(work)
            self._written.update(due)


def _forget(db: Session, at: datetime) -> None:
    velocity.forget(db, at)
    jobs.forget(db, at)
