"""Idle workers load what their group is to have warm, and show after a change that they run prompts.

A job is never kept waiting for it: nothing is loaded while a job waits or runs there, and what is being loaded when one
comes is stopped, as ComfyUI stops a prompt: what it has begun to read from its disk it reads to the end.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ... import log
from ...errors import DeadlinePassed, MintmarkError, NodeFailed, WrongState
from ..fleet.checking import EVERY
from ..fleet.warm_graphs import Graph, ready_graph, warm_graph
from .side_tasks import stopped

if TYPE_CHECKING:
    from .worker import Worker
    from .worker_loop import WorkerLoop

logger = log.get("orchestrator.warming")

LOOK_EVERY_S = 2.0
"""How often it is looked for something to load."""
IDLE_S = 5.0
"""A worker that had nothing to do for so long may load something."""
LOAD_LONGEST_S = 600.0
"""How long loading one file may take, in seconds."""
POLL_S = 0.1
"""How often it is looked whether a job came, while something is loaded."""


class Warmer:
    """Of one dispatcher. ``groups``: files by label, or by :data:`EVERY`. ``waits`` tells whether a job waits that a
    worker could run; ``loaded`` is told what it has in memory now."""

    def __init__(
        self,
        loops: Mapping[str, WorkerLoop],
        groups: Mapping[str, tuple[str, ...]],
        *,
        waits: Callable[[WorkerLoop], bool],
        loaded: Callable[[str, str], None],
    ) -> None:
        self._loops, self._groups = loops, groups
        self._waits, self._loaded = waits, loaded
        self._idle_since: dict[str, float] = {}
        self._tried: dict[str, set[str]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until it is canceled."""
        try:
            while True:
                self._look(time.monotonic())
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def wanted(self, worker: Worker) -> list[str]:
        """The files that this worker is to have warm: its group's, and its own."""
        entry = worker.entry
        groups = [EVERY, *sorted(entry.labels if entry else ())]
        of_groups = [file for group in groups for file in self._groups.get(group, ())]
        return list(dict.fromkeys([*(entry.warm if entry else ()), *of_groups]))

    # -- within -------------------------------------------------------------------------------------------------------

    def _look(self, now: float) -> None:
        self._tasks = {name: task for name, task in self._tasks.items() if not task.done()}
        for name, loop in self._loops.items():
            if loop.job_ids or not loop.is_free or "gpu" not in loop.worker.lanes:
                # What it ran may have pushed out what was warm.
                self._idle_since.pop(name, None)
                self._tried.pop(name, None)
            elif now - self._idle_since.setdefault(name, now) >= IDLE_S and name not in self._tasks:
                self._begin(name, loop)

    def _begin(self, name: str, loop: WorkerLoop) -> None:
        worker = loop.worker
        there = set(worker.health.models_in_memory if worker.health else ())
        tried = self._tried.setdefault(name, set())
        cold = (file for file in self.wanted(worker) if file not in there and file not in tried)
        file = next(cold, None)
        if file is None or self._waits(loop):
            return
        tried.add(file)
        self._tasks[name] = asyncio.create_task(self._warm(loop, file), name=f"warming {name}")

    async def _warm(self, loop: WorkerLoop, file: str) -> None:
        worker = loop.worker
        graph = warm_graph(worker.object_info, file)
        try:
            if graph is None:
                raise WrongState("it has no such file, or no node that loads it by itself")
            seconds = await _unless_a_job_comes(loop, run_graph(worker, graph, LOAD_LONGEST_S))
        except MintmarkError as exc:
            logger.info("%s does not load %s: %s", worker.name, file, exc, extra=log.action("warm_failed"))
            return
        if seconds is not None:
            self._loaded(worker.name, file)
            logger.info("%s has %s warm (%.1f s)", worker.name, file, seconds, extra=log.action("model_warm"))


async def _unless_a_job_comes(loop: WorkerLoop, work: Coroutine[Any, Any, float]) -> float | None:
    """What it gives, or None where it was broken off for a job."""
    task = asyncio.create_task(work, name=f"trial prompt of {loop.worker.name}")
    try:
        while not (await asyncio.wait([task], timeout=POLL_S))[0]:
            if loop.job_ids:
                return None
        return task.result()
    finally:
        await stopped([task])


async def show_ready(worker: Worker, files: Iterable[str], within_s: float) -> None:
    """Have a worker run a prompt that asks nobody, and load these files.

    Raises NodeFailed, WrongState where it has not what that takes, DeadlinePassed, and what the line raises.
    """
    graphs = {file: warm_graph(worker.object_info, file) for file in files}
    if lacking := [file for file, graph in graphs.items() if graph is None]:
        raise WrongState(f"{worker.name} has not {', '.join(lacking)}, or no node that loads it by itself.")
    ready = ready_graph(worker.object_info)
    if ready is None and not graphs:
        raise WrongState(f"{worker.name} has not the nodes that a trial takes: EmptyImage and PreviewImage.")
    began = time.monotonic()
    for graph in (ready, *graphs.values()):
        if graph is not None:
            await run_graph(worker, graph, max(within_s - (time.monotonic() - began), 0.0))


async def run_graph(worker: Worker, graph: Graph, within_s: float) -> float:
    """Run it there, with no job; how many seconds that took. Stopped there where this is canceled or takes too long.

    Raises what the prompt failed with, DeadlinePassed, and what the line raises.
    """
    prompt_id, began, link = str(uuid.uuid4()), time.monotonic(), worker.link
    history = None
    try:
        async with link.listen(prompt_id) as ear:
            await link.submit(prompt_id, graph, {}, fresh=True)
            history = await asyncio.wait_for(link.follow(prompt_id, ear, lambda event: None), within_s)
    except asyncio.TimeoutError:
        raise DeadlinePassed(f"{worker.name} has not run a trial prompt within {within_s:.1f} s.") from None
    finally:
        if history is None:
            with suppress(MintmarkError):
                await asyncio.shield(link.cancel(prompt_id))
    if history.status != "success":
        raise history.error or NodeFailed(f"{worker.name} did not end a trial prompt: {history.status}.")
    return time.monotonic() - began
