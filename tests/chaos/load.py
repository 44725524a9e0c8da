"""Jobs from many callers at once, each with a prompt of its own, through a line that breaks."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field

from mintmark.client import Client
from mintmark.errors import MintmarkError

from .receiver import Receiver

CALLERS = 12
MOST_OPEN = 400
"""Jobs that are open at a time: a busy machine gets as much load as it can carry through the storm, and no heap of jobs
for which nobody can wait afterwards."""


@dataclass
class Load:
    """``accepted`` is every job whose id a caller has: none of them may be lost."""

    url: str
    receiver: Receiver
    accepted: dict[str, str] = field(default_factory=dict)
    """Prompt by job id."""
    refused: Counter[str] = field(default_factory=Counter)
    unsure: set[str] = field(default_factory=set)
    """Prompts of which no caller ever learned whether they were accepted."""

    async def run(self, seconds: float) -> None:
        """Submit until the time is over."""
        until = time.monotonic() + seconds
        await asyncio.gather(*(self._caller(number, until) for number in range(CALLERS)))

    async def _caller(self, number: int, until: float) -> None:
        count = 0
        async with Client(self.url, timeout_s=10) as client:
            while time.monotonic() < until:
                if self._open >= MOST_OPEN:
                    await asyncio.sleep(0.2)
                    continue
                count += 1
                await self._one(client, f"chaos {number}-{count}")

    @property
    def _open(self) -> int:
        return len(self.accepted) - len(self.receiver.ended & self.accepted.keys())

    async def _one(self, client: Client, prompt: str) -> None:
        key = str(uuid.uuid4())
        self.unsure.add(prompt)
        for _ in range(200):
            try:
                job = await client.generate(
                    prompt, size=(64, 64), idempotency_key=key, webhook_url=self.receiver.url, model="fal/flux-schnell"
                )
            except MintmarkError as exc:
                self.refused[exc.code] += 1
                if exc.code not in ("service_unreachable", "not_ready", "queue_full", "internal_error"):
                    self.unsure.discard(prompt)
                    return
                await asyncio.sleep(0.1)
                continue
            self.unsure.discard(prompt)
            known = self.accepted.setdefault(job.job_id, prompt)
            assert known == prompt, "one job for two requests"
            return
