"""Firefly's jobs: pending, running, then succeeded, failed or cancelled.

A job is charged when it succeeds. Adobe counts generative credits and states no price, so a line of the bill tells
credits (one an image) and no money. What was submitted is kept in the books with the images it names, so a killed
sandbox that comes back knows every job: charged ones are done, the others are taken up again.
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field
from typing import Any, Literal

from .entries import Entries
from .exchange import Desk
from .firefly_request import Asked, read_body

State = Literal["pending", "running", "succeeded", "failed", "cancelled"]
PROVIDER = "firefly"
_KEPT = ("job_id", "path", "version", "body", "files", "fault")


@dataclass
class Job:
    """One submitted job. ``fault`` is a policy fault that its submission met."""

    job_id: str
    path: str
    version: str
    body: Any
    files: dict[str, str] = field(default_factory=dict, repr=False)
    """Uploaded images that the body names, by id, in base64."""
    fault: str | None = None
    state: State = "pending"
    error: tuple[str, str] = ("", "")
    """Code and message of a job that failed."""
    asked: Asked | None = field(default=None, repr=False)
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class Jobs(Entries[Job]):
    """All jobs, by id."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, PROVIDER, "firefly_submitted")

    async def submit(self, job: Job) -> None:
        """Check, enter and start a job. Raises ``Refused``, and then there is none."""
        await self.asked(job)
        self._keep({name: getattr(job, name) for name in _KEPT})
        self._begin(job.job_id, job, self._work(job))

    async def asked(self, job: Job) -> Asked:
        """What the job asks for; after a restart it is read anew."""

        def load(upload: str) -> bytes | None:
            return base64.b64decode(job.files[upload]) if upload in job.files else None

        if job.asked is None:
            seed = self._desk.seed
            job.asked = await asyncio.to_thread(read_body, job.path, job.version, job.body, load, seed=seed)
        return job.asked

    def cancel(self, job: Job) -> bool:
        """Stop a job that is not over; False for one that is."""
        if job.state not in ("pending", "running"):
            return False
        if job.task is not None:
            job.task.cancel()
        job.state = "cancelled"
        return True

    def take_up(self) -> None:
        """Restore what the books kept from before a restart."""
        billed = self._billed()
        for value in self._kept():
            job = Job(**value)
            if job.job_id in billed:
                job.state = "succeeded"
                self.all[job.job_id] = job
            else:
                self._begin(job.job_id, job, self._work(job))

    async def _work(self, job: Job) -> None:
        await asyncio.sleep(self._desk.latency_s / 2)
        asked = await self.asked(job)
        job.state = "running"
        if job.fault == "policy_input" or asked.prompt_is_harmful:
            self._fail(job, "prompt_unsafe", "The prompt did not pass content policy checks.")
            return
        await asyncio.sleep(self._desk.latency_s / 2)
        harmful = [await asyncio.to_thread(asked.output_is_harmful, index) for index in range(len(asked.seeds))]
        if job.fault == "policy_output" or any(harmful):
            self._fail(job, "output_media_unsafe", "The generated image did not pass content policy checks.")
            return
        # No await from here on: a job is charged and done, or neither.
        self._charge(job, len(asked.seeds))
        job.state = "succeeded"

    def _fail(self, job: Job, code: str, message: str) -> None:
        job.state, job.error = "failed", (code, message)

    def _charge(self, job: Job, images: int) -> None:
        self._desk.books.charge(
            provider=PROVIDER,
            model=job.version or job.path,
            request_id=job.job_id,
            client_request_id=None,
            microusd=0,
            images=images,
            usage={"credits": images},
        )
