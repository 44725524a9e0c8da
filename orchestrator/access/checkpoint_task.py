"""The side task that makes checkpoints of the audit log, and brings them to where they are kept."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from ... import log
from ...clock import Clock, utc_now
from ...errors import MintmarkError
from . import checkpointing
from .checkpoint_targets import deliver
from .side_task import SideTask

if TYPE_CHECKING:
    from ...storage.base import Store
    from .audit_keys import AuditKey

logger = log.get("access")

ACTOR = "service"
_LOOK_S = 60.0
"""How often it looks, at most: what could not be told is tried again then."""


class CheckpointTask(SideTask):
    """Use it as an async context manager. ``every_s``: how often one is made where the log has grown."""

    NAME = "audit checkpoints"

    def __init__(self, store: Store, key: AuditKey, target: str, *, every_s: float, now: Clock = utc_now) -> None:
        self._store, self._key, self._target, self._now = store, key, target, now
        self._every_s = every_s
        store.install(checkpointing.PART)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(min(_LOOK_S, self._every_s))
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Make one if it is due, and tell those that wait. Blocks; what cannot be done now is done the next time."""
        every = timedelta(seconds=self._every_s)
        try:
            make = partial(checkpointing.make, key=self._key, at=self._now(), actor=ACTOR, every=every)
            self._store.transact(make)
            checkpointing.tell(self._store, lambda line: deliver(line, self._target), self._now())
        except MintmarkError as exc:
            logger.warning("Checkpoints of the audit log wait: %s", exc, extra=log.action("checkpoint_failed"))
