"""The workers that the registry has: taken on and let go while the service runs, and how each stands, kept in step with
what other services have found."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass

from ... import log
from ...clock import utc_now
from ...errors import MintmarkError, StorageError
from ..fleet.capabilities import Capabilities, merged, versions_of
from ..fleet.entries import Entry
from ..fleet.registry import Registry
from ..link.waiting import Signal
from .kit import Kit
from .side_tasks import stopped
from .worker import Worker
from .worker_loop import WorkerLoop

logger = log.get("orchestrator.crew")

REFRESH_S = 1.0
"""How often it is asked whether the registry has changed; what this process changes itself it sees at once."""
SURVEY_EVERY_S = 300.0
"""How often a worker is asked for its versions and model files, beside when it was started again."""
AT_ONCE = 8
"""Workers that are asked for these at a time."""


@dataclass
class Member:
    """A worker that was taken on here, with what has to be closed when it is let go."""

    worker: Worker
    task: asyncio.Task[None]
    stack: AsyncExitStack


class Crew:
    """``loops`` are the dispatcher's, those of workers that are always there too; ``hire`` opens the line to the worker
    of an entry and makes its loop."""

    def __init__(
        self,
        kit: Kit,
        registry: Registry,
        loops: dict[str, WorkerLoop],
        hire: Callable[[Entry], AbstractAsyncContextManager[WorkerLoop]],
    ) -> None:
        self._kit, self._registry, self._loops, self._hire = kit, registry, loops, hire
        self._entries: dict[str, Entry] = {}
        self._revision: int | None = None
        self._members: dict[str, Member] = {}
        self._surveys: dict[str, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(AT_ONCE)
        self._asked = Signal()

    async def run(self) -> None:
        """Until it is canceled. Raises what a worker's loop died of, where one does."""
        while True:
            await self._asked.wait(REFRESH_S)
            self._asked.clear()
            try:
                await self.refresh()
            except StorageError as exc:
                logger.warning("The registry cannot be read: %s", exc, extra=log.action("registry_waits"))

    def look(self) -> None:
        """The registry was changed: look now, not in a moment."""
        self._asked.set()

    async def close(self) -> None:
        """Let go of everybody."""
        await stopped(self._surveys.values())
        for name in list(self._members):
            await self._dismiss(name)

    async def refresh(self) -> None:
        """Tell the registry what was found here, and do as it says. Raises StorageError."""
        await self._tell()
        found = await self._kit.block(self._registry.read, self._revision)
        if found is not None:
            self._revision, entries = found
            self._entries = {each.name: each for each in entries}
        for worker in self._kit.workers:
            worker.obey(self._entries.get(worker.name))
        await self._judge()
        await self._keep()
        self._survey()

    async def _tell(self) -> None:
        for worker in self._kit.workers:
            if worker.told_news:
                await self._kit.block(self._registry.heard, worker.name, new=worker.source == "settings")
            standing = worker.care.standing
            if standing.untold:
                told = standing.reason, standing.struck_at
                await self._kit.block(self._registry.stand, standing.entry(worker.name, utc_now()))
                # Struck or freed meanwhile, it is told again.
                standing.untold = told != (standing.reason, standing.struck_at)

    async def _judge(self) -> None:
        """End trials that have shown enough."""
        for worker in self._kit.workers:
            if worker.trial is None or (verdict := worker.trial.verdict) is None:
                continue
            why, worker.trial = str(worker.trial), None
            level = logger.info if verdict == "passed" else logger.warning
            level("%s was tried: %s", worker.name, why, extra=log.action("canary_judged", verdict=verdict))
            await self._kit.block(self._registry.conclude, worker.name, verdict, why)

    # -- who is there -------------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        wanted = {each.name: each for each in self._entries.values() if each.url is not None}
        there = {each.link.url for each in self._kit.workers}
        for name, entry in wanted.items():
            # One that the settings name as well is there already, under the name that it has in them.
            if name not in self._loops and entry.url not in there:
                await self._take_on(entry)
        for name, member in list(self._members.items()):
            if member.task.done():
                member.task.result()
            loop = self._loops[name]
            if name not in wanted:
                loop.claims = False
                if not loop.job_ids:
                    await self._dismiss(name)

    async def _take_on(self, entry: Entry) -> None:
        async with AsyncExitStack() as stack:
            loop = await stack.enter_async_context(self._hire(entry))
            loop.worker.obey(entry)
            task = asyncio.create_task(loop.run(), name=f"jobs of {entry.name}")
            self._members[entry.name] = Member(loop.worker, task, stack.pop_all())
        self._loops[entry.name] = loop
        self._kit.workers.append(loop.worker)
        logger.info("%s is a worker from now on", entry.name, extra=log.action("worker_added", url=entry.url))

    async def _dismiss(self, name: str) -> None:
        member = self._members.pop(name)
        await stopped([member.task])
        self._loops.pop(name, None)
        self._kit.workers.remove(member.worker)
        await member.stack.aclose()
        logger.info("%s is no worker any more", name, extra=log.action("worker_removed"))

    # -- what they can ------------------------------------------------------------------------------------------------

    def _survey(self) -> None:
        self._surveys = {name: task for name, task in self._surveys.items() if not task.done()}
        for worker in self._kit.workers:
            if worker.name not in self._surveys and _is_due(worker):
                work = self._ask(worker)
                self._surveys[worker.name] = asyncio.create_task(work, name=f"survey of {worker.name}")

    async def _ask(self, worker: Worker) -> None:
        """What cannot be told now is asked again the next time."""
        assert worker.health is not None  # noqa: S101 - it was asked for above
        boot_id = worker.health.boot_id
        async with self._places:
            try:
                version, system = versions_of(await worker.link.system_stats())
                folders = merged((await worker.link.models()).items())
            except MintmarkError as exc:
                logger.info("%s does not tell what it has: %s", worker.name, exc, extra=log.action("survey_failed"))
                version, system, folders = None, None, {}
        before = worker.capabilities
        if folders and before and before.boot_id == boot_id and before.folders and before.folders != folders:
            worker.has_other_files()  # its nodes let choose among others now
        worker.capabilities = Capabilities(
            boot_id=boot_id, asked_at=time.monotonic(), comfyui_version=version, system=system, folders=folders
        )


def _is_due(worker: Worker) -> bool:
    if worker.state != "up" or worker.health is None:
        return False
    known = worker.capabilities
    if known is None or known.boot_id != worker.health.boot_id:
        return True
    return time.monotonic() - known.asked_at >= SURVEY_EVERY_S
