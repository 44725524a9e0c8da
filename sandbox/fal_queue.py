"""fal's queue: requests that wait, run, end, and can be asked for again and again.

IN_QUEUE takes a third of the sandbox's latency, IN_PROGRESS the rest. What was submitted is kept in the books, so a
killed sandbox that comes back knows every request: billed ones are done, canceled ones stay canceled, the others are
taken up again, as a real queue would.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import InternalError
from .entries import Entries
from .exchange import Desk
from .fal_apps import Asked, Fetch, Unprocessable, blocked, read_input
from .fal_models import APPS

State = Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
PROVIDER = "fal"


@dataclass
class Job:
    """One submitted request. ``fault`` is a policy fault that its submission met."""

    request_id: str
    endpoint: str
    body: Any
    origin: str
    fault: str | None = None
    state: State = "IN_QUEUE"
    canceled: bool = False
    asked: Asked | None = None
    refused: Unprocessable | None = None
    task: asyncio.Task[None] | None = None


class Queue(Entries[Job]):
    """All requests, by id."""

    def __init__(self, desk: Desk, fetch: Fetch, working: Callable[[Job], None]) -> None:
        """``working`` is told of each request whose input was read and that still takes its time."""
        super().__init__(desk, PROVIDER, "fal_submitted")
        self._fetch = fetch
        self._working = working

    def submit(self, job: Job) -> Job:
        """Enter a request and start it."""
        self._keep({name: getattr(job, name) for name in ("request_id", "endpoint", "body", "origin", "fault")})
        self._begin(job.request_id, job, self._work(job))
        return job

    def cancel(self, job: Job) -> bool:
        """Stop a request that has not ended; it will never be billed. False when it had ended."""
        if job.state == "COMPLETED":
            return False
        if job.task is not None:
            job.task.cancel()
        job.state, job.canceled = "COMPLETED", True
        self._desk.books.keep("fal_canceled", job.request_id)
        return True

    def position(self, job: Job) -> int:
        """How many queued requests stand before this one."""
        waiting = [other.request_id for other in self.all.values() if other.state == "IN_QUEUE"]
        return waiting.index(job.request_id) if job.request_id in waiting else 0

    def take_up(self) -> None:
        """Restore what the books kept from before a restart."""
        billed, canceled = self._billed(), set(self._kept("fal_canceled"))
        for value in self._kept():
            job = Job(**value)
            if job.request_id in billed or job.request_id in canceled:
                job.state, job.canceled = "COMPLETED", job.request_id in canceled
                self.all[job.request_id] = job
            else:
                self._begin(job.request_id, job, self._work(job))

    async def settled(self, job: Job) -> Asked:
        """What a completed request asked for (after a restart it is read anew); raises :class:`Unprocessable`."""
        if job.asked is None and job.refused is None:
            await self._read(job)
        if job.refused is not None:
            raise job.refused
        if job.asked is None:
            raise InternalError(f"fal request {job.request_id} has neither an input nor a refusal")
        return job.asked

    async def _work(self, job: Job) -> None:
        await asyncio.sleep(self._desk.latency_s / 3)
        job.state = "IN_PROGRESS"
        done = time.monotonic() + self._desk.latency_s * 2 / 3
        await self._read(job)
        self._working(job)
        await asyncio.sleep(max(0.0, done - time.monotonic()))
        # No await from here on: a request is billed and done, or canceled, never both.
        if job.asked is not None:
            self._charge(job, job.asked)
        job.state = "COMPLETED"

    async def _read(self, job: Job) -> None:
        try:
            if job.fault == "policy_input":
                raise blocked(job.body.get("prompt", "") if isinstance(job.body, dict) else "")
            job.asked = await asyncio.to_thread(
                read_input,
                APPS[job.endpoint],
                job.body,
                self._fetch,
                seed=self._desk.seed,
                stopped=job.fault == "policy_output",
            )
        except Unprocessable as refused:
            job.refused = refused

    def _charge(self, job: Job, asked: Asked) -> None:
        width, height = asked.size
        self._desk.books.charge(
            provider=PROVIDER,
            model=job.endpoint,
            request_id=job.request_id,
            client_request_id=None,
            microusd=asked.microusd,
            images=asked.images,
            usage={"unit": asked.app.unit, "width": width, "height": height},
        )
