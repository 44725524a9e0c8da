"""Black Forest Labs' tasks: Pending, (Reasoning,) Generating, then Ready, Request Moderated or Content Moderated.

A task is charged when it is ready, and a moderated one never is. What was submitted is kept in the books, so a killed
sandbox that comes back knows every task: charged ones are ready, the others are taken up again. None can be canceled.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import InternalError
from .bfl_models import ENDPOINTS
from .bfl_request import Asked, read_input
from .entries import Entries
from .exchange import Desk

State = Literal["Pending", "Reasoning", "Generating", "Ready", "Request Moderated", "Content Moderated"]
PROVIDER = "bfl"
_CREDIT_MICROUSD = 10_000


@dataclass
class Task:
    """One submitted task. ``fault`` is a policy fault that its submission met."""

    task_id: str
    endpoint: str
    body: Any
    origin: str
    fault: str | None = None
    state: State = "Pending"
    reasons: list[str] = field(default_factory=list)
    ready_at: float = 0.0
    """Seconds since the epoch."""
    asked: Asked | None = None
    task: asyncio.Task[None] | None = None


class Tasks(Entries[Task]):
    """All tasks, by id."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, PROVIDER, "bfl_submitted")

    async def submit(self, task: Task) -> Asked:
        """Check, enter and start a task. Raises ``Refused``, and then there is none."""
        asked = await self.asked(task)
        self._keep({name: getattr(task, name) for name in ("task_id", "endpoint", "body", "origin", "fault")})
        self._begin(task.task_id, task, self._work(task))
        return asked

    async def asked(self, task: Task) -> Asked:
        """What the task asks for; after a restart it is read anew."""
        if task.asked is None:
            endpoint = ENDPOINTS[task.endpoint]
            task.asked = await asyncio.to_thread(read_input, endpoint, task.body, seed=self._desk.seed)
        return task.asked

    def take_up(self) -> None:
        """Restore what the books kept from before a restart."""
        billed = self._billed()
        for value in self._kept():
            task = Task(**value)
            if task.task_id in billed:
                task.state, task.ready_at = "Ready", time.time()
                self.all[task.task_id] = task
            else:
                self._begin(task.task_id, task, self._work(task))

    async def _work(self, task: Task) -> None:
        await asyncio.sleep(self._desk.latency_s / 3)
        asked = await self.asked(task)
        found = ["Sandbox Fault"] if task.fault == "policy_input" else await asyncio.to_thread(asked.input_reasons)
        if found:
            task.reasons, task.state = found, "Request Moderated"
            return
        if asked.endpoint.reasons:
            task.state = "Reasoning"
            await asyncio.sleep(self._desk.latency_s / 3)
        task.state = "Generating"
        await asyncio.sleep(self._desk.latency_s / 3)
        found = ["Sandbox Fault"] if task.fault == "policy_output" else await asyncio.to_thread(asked.output_reasons)
        if found:
            task.reasons, task.state = found, "Content Moderated"
            return
        # No await from here on: a task is charged and ready, or neither.
        self._charge(task)
        task.state, task.ready_at = "Ready", time.time()

    def _charge(self, task: Task) -> None:
        if task.asked is None:
            raise InternalError(f"bfl task {task.task_id} is charged before it was read")
        inputs, output = task.asked.areas
        self._desk.books.charge(
            provider=PROVIDER,
            model=task.endpoint,
            request_id=task.task_id,
            client_request_id=None,
            microusd=int(task.asked.cost * _CREDIT_MICROUSD),
            images=1,
            usage={"credits": float(task.asked.cost), "input_mp": float(inputs), "output_mp": float(output)},
        )
