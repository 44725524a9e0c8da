"""A job's prompt on its worker: handed over, posted, followed, stopped; posted once more where that is safe."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from ... import log
from ...errors import ContextMissing, MintmarkError, WorkerLost, WorkerUnreachable
from ...generation.call import Entry
from ...generation.context import JobContext, WorkerHealth
from ..link.base import Link
from ..link.events import JournalGrew, WorkerEvent
from ..link.listening import Listening
from ..link.protocol import History
from .hearsay import Hearsay
from .local_work import LocalWork

logger = log.get("orchestrator.attempt")

BATCH_S = 26 * 3600.0
"""How long a prompt whose calls go by batch may show no progress: the vendor's day, and a little to be told of it."""
STOP_S = 10.0
"""How long a canceled job may take on its worker to give back what it can, in seconds."""


@dataclass(kw_only=True)
class Attempt:
    """``book`` is told each journal entry as it is heard; ``local`` and ``heard`` everything."""

    link: Link
    context: JobContext
    graph: Mapping[str, Any]
    extra: Mapping[str, Any]
    heard: Callable[[WorkerEvent], None]
    book: Callable[[list[Entry]], None]
    local: LocalWork
    hearsay: Hearsay = field(default_factory=Hearsay)
    posts: int = 0
    fresh: bool = False
    """Surely nobody has posted this prompt before, so it is not looked up first."""
    known: WorkerHealth | None = None
    """What the worker last said of itself. Given where no node of the graph needs a context: then none is sent."""
    left: bool = False
    """Whether, when it is canceled, the prompt goes on without us, because somebody will come back for it."""

    @property
    def touched_nothing(self) -> bool:
        """Whether a prompt that was refused for want of its context surely spent nothing.

        Its one run asked nobody. An earlier one, before a restart, may have.
        """
        return self.posts <= 1 and self.hearsay.nothing

    async def run(self) -> History:
        """How the prompt ended.

        Raises WorkerLost, WorkerRefused, WorkerUnreachable, what the context may raise, and ContextMissing where the
        worker that took the prompt is not the one that took the context.
        """
        async with self.link.gate.place(), self.link.listen(self.context.job_id) as listening:
            try:
                return await self._twice_at_most(listening)
            except asyncio.CancelledError:
                if not self.left:
                    await asyncio.shield(self._stop(listening))
                raise
            except (WorkerUnreachable, WorkerLost):
                # A worker that broke off may run the prompt all the same; nobody would wait for it.
                await asyncio.shield(self._stop(listening))
                raise

    async def _twice_at_most(self, listening: Listening) -> History:
        try:
            return await self._once(listening)
        except WorkerLost as lost:
            if not await self._can_repeat(lost):
                raise
        logger.warning(
            "Job %s is posted again", self.context.job_id, extra=log.action("job_repeated", job_id=self.context.job_id)
        )
        return await self._once(listening)

    async def _once(self, listening: Listening) -> History:
        job_id = self.context.job_id
        await self.link.wait_for_room(job_id)
        health = self.known or await self.link.open_job(self.context)
        fresh = self.fresh and self.posts == 0
        self.posts += 1
        self.local.on = health.kind
        await self.link.submit(job_id, self.graph, self.extra, fresh=fresh)
        history = await self._follow(health.boot_id, listening)
        if isinstance(history.error, ContextMissing):
            raise history.error
        return history

    async def _can_repeat(self, lost: WorkerLost) -> bool:
        """Whether the prompt may be posted once more, under the same id: nothing may be paid for twice.

        Only after a restart that is known for one, and only where the worker's journal outlived it: it knows the job,
        so every hosted call of the first try is found there instead of being made again.
        """
        if lost.data.get("restarted") is not True:
            return False
        if self.known is not None:
            return False  # it has no journal to be found in; whoever runs us decides
        try:
            return (await self.link.report(self.context.job_id)).open
        except MintmarkError:
            return False

    async def _follow(self, boot_id: str, listening: Listening) -> History:
        loop = asyncio.get_running_loop()
        bookings: list[asyncio.Future[None]] = []

        def hear(event: WorkerEvent) -> None:
            # Booked at once; what is missed here is booked from the whole journal at the end.
            if isinstance(event, JournalGrew) and (entry := _entry(event, self.context.job_id)) is not None:
                self.hearsay.take(entry)
                bookings.append(loop.run_in_executor(None, self.book, [entry]))
            self.local.take(event, loop.time())
            self.heard(event)

        try:
            patience_s = BATCH_S if self.context.delivery == "batch" else 0.0
            return await self.link.follow(self.context.job_id, listening, hear, boot_id=boot_id, patience_s=patience_s)
        finally:
            self.local.over()
            await asyncio.gather(*bookings, return_exceptions=True)

    async def _stop(self, listening: Listening) -> None:
        """Cancel on the worker and wait a moment for it to give back what it can."""
        job_id = self.context.job_id
        try:
            await self.link.cancel(job_id)
            await asyncio.wait_for(self.link.follow(job_id, listening, lambda event: None), timeout=STOP_S)
        except (MintmarkError, asyncio.TimeoutError) as exc:
            logger.warning(
                "Job %s may still run: %s", job_id, exc, extra=log.action("job_cancel_failed", job_id=job_id)
            )


def _entry(event: JournalGrew, job_id: str) -> Entry | None:
    """The entry of an event; None for one this version cannot read, or that belongs to another job."""
    try:
        entry = Entry.model_validate(event.entry)
    except ValidationError:
        return None
    return entry if entry.job_id == job_id else None
