"""A job's prompt on its worker: handed over, posted, followed, stopped; posted once more where that is safe."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from ... import log
from ...errors import ContextMissing, MintmarkError, UnknownJob, WorkerLost, WorkerUnreachable
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
AGAIN_S = 2.0
"""After which time a worker that does not answer is asked again, in seconds; beside the link's own patience."""
RESTARTS = 3
"""How often a worker may be started again under an attempt, and its prompt be posted anew."""
NO_GRAPH = "mintmark_no_graph"
"""In ``extra_data``: a runner's core nodes then leave the graph out of what they save. ComfyUI does not know the word;
what its nodes save is freed of the graph on delivery."""
KEPT = "mintmark_kept"
"""In ``extra_data``: we keep the prompt, and post it anew after a restart, so a runner need not write it down first."""
EARLY = "mintmark_early"
"""In ``extra_data``: nobody but this process may know of the prompt yet. A runner takes it back where it is not told
within minutes that it stays (:meth:`..link.base.Link.confirm`)."""
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
    _followed: int = 0
    """How often the worker was seen to have the prompt."""
    fresh: bool = False
    """Surely nobody has posted this prompt before, so it is not looked up first."""
    begun: bool = False
    """Whether somebody is likely to have posted it before, on this worker or on another that shares its journal."""
    known: WorkerHealth | None = None
    """What the worker last said of itself. Given where no node of the graph needs a context: then none is sent."""
    patience_s: float = 0.0
    """How long a worker that may have the prompt is waited for while it does not answer, in seconds, before that is
    raised: nothing says that it does not run the prompt, or that another would do better."""
    kept: bool = False
    """Whether its job is kept durably here and its graph asks nobody for anything: then it may run any number of times,
    and no runner need write it down first."""
    early: Callable[[], bool] = lambda: False
    """Whether its job may still come to nothing."""
    taken: Callable[[], None] = lambda: None
    """Told when a runner has the prompt and may hold it for early, whoever posted it: then it can be confirmed."""
    _early: bool = False
    """Whether any post of it said that it is early."""
    left: bool = False
    """Whether, when it is canceled or its worker is lost, the prompt goes on without us, because somebody will come
    back for it, or else :meth:`stop` it."""

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
                return await self._to_the_end(listening)
            except (asyncio.CancelledError, WorkerUnreachable, WorkerLost):
                # A worker that broke off may run the prompt all the same; nobody would wait for it.
                if not self.left:
                    await asyncio.shield(self._stop(listening))
                raise

    async def stop(self) -> None:
        """Stop the prompt on its worker, because nobody will come back for it, and wait a moment for that."""
        async with self.link.listen(self.context.job_id) as listening:
            await self._stop(listening)

    async def _to_the_end(self, listening: Listening) -> History:
        """Through times in which the worker does not answer, and through its restarts, within limits."""
        job_id, now = self.context.job_id, asyncio.get_running_loop().time
        silent_since: float | None = None
        restarts = 0
        while True:
            followed = self._followed
            try:
                return await self._once(listening)
            except (WorkerUnreachable, WorkerLost) as exc:
                if silent_since is None or self._followed > followed:
                    silent_since = now() - exc.data.get("silent_s", 0.0)
                if self._is_waited_for(exc, now() - silent_since):
                    await asyncio.sleep(AGAIN_S)
                    continue
                restarts += 1
                if restarts > RESTARTS or not await self._can_repeat(exc):
                    raise
            logger.warning("Job %s is posted again", job_id, extra=log.action("job_repeated", job_id=job_id))

    def _is_waited_for(self, exc: WorkerUnreachable | WorkerLost, silent_s: float) -> bool:
        """Whether a worker that has been silent for so long has time to come back."""
        may_be_there = self.posts > 0 or self.begun
        return is_silent(exc) and may_be_there and silent_s < self.patience_s

    async def _once(self, listening: Listening) -> History:
        job_id = self.context.job_id
        if self.posts and self.known is None:
            await self._check_known()
        await self.link.wait_for_room(job_id)
        health = self.known or await self.link.open_job(self.context)
        fresh = self.fresh and self.posts == 0
        self.posts += 1
        self.local.on = health.kind
        await self.link.submit(job_id, self.graph, self._extra(health.kind), fresh=fresh)
        if self.kept and health.kind == "runner" and (self._early or not self.fresh):
            self.taken()
        self._followed += 1
        history = await self._follow(health.boot_id, listening)
        if isinstance(history.error, ContextMissing):
            raise history.error
        return history

    def _extra(self, kind: str) -> dict[str, Any]:
        """``extra_data`` for a worker of this kind."""
        kept = self.kept and kind == "runner"
        early = kept and self.early()
        self._early = self._early or early
        said = {NO_GRAPH: self.context.keep_prompt is False, KEPT: kept, EARLY: early}
        return {**self.extra, **{name: True for name, holds in said.items() if holds}}

    async def _check_known(self) -> None:
        """Before a worker that was away is handed the job again. Raises WorkerLost where it has neither the prompt nor
        the job: then its journal is gone, and the calls in it would be made once more."""
        if await self.link.state(self.context.job_id) is not None:
            return
        try:
            await self.link.report(self.context.job_id)
        except UnknownJob:
            raise WorkerLost(f"The worker at {self.link.url} came back without its journal.") from None

    async def _can_repeat(self, lost: WorkerUnreachable | WorkerLost) -> bool:
        """Whether the prompt may be posted once more, under the same id: nothing may be paid for twice.

        Only after a restart that is known for one, and only where the worker's journal outlived it: it knows the job,
        so every hosted call of the first try is found there instead of being made again.
        """
        if lost.data.get("restarted") is not True:
            return False
        if self.known is not None and not (self.kept and self.local.on == "runner"):
            return False  # it has no journal to be found in; whoever runs us decides
        try:
            if self.known is not None:
                self.known = await self.link.health()  # of the process that is there now
                return True
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


def is_silent(error: BaseException) -> bool:
    """Whether all that is wrong is that the worker does not answer, for as long as it was to be waited for."""
    return isinstance(error, WorkerUnreachable) or (isinstance(error, WorkerLost) and "silent_s" in error.data)


def _entry(event: JournalGrew, job_id: str) -> Entry | None:
    """The entry of an event; None for one this version cannot read, or that belongs to another job."""
    try:
        entry = Entry.model_validate(event.entry)
    except ValidationError:
        return None
    return entry if entry.job_id == job_id else None
