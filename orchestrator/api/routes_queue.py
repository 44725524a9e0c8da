"""The queue as a whole: how many wait, and whether anything is taken from it."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import Field

from ...clock import utc_now
from ..jobs.states import State
from .call import Call, Reply
from .routing import Answer, NoQuery, Routes
from .shapes import View

routes = Routes("service")


class QueueView(View):
    """How the queue stands."""

    paused: bool = Field(description="Nothing is started; jobs are accepted and wait.")
    queued: int
    running: int
    oldest_waiting_s: float | None = Field(description="How long the oldest job that may start has waited.")


QUEUE = Answer(status=200, description="The queue as it stands.", model=QueueView)


@routes.get("/v1/queue", "How the queue stands", scope="read", answers=(QUEUE,))
async def show_queue(call: Call[None, NoQuery]) -> Reply:
    """All keys' jobs together."""
    return await _shown(call)


@routes.post("/v1/queue/pause", "Pause the queue", scope="admin", answers=(QUEUE,))
async def pause_queue(call: Call[None, NoQuery]) -> Reply:
    """What runs goes on to its end; nothing else starts until it is resumed, also after a restart."""
    return await _pause(call, paused=True)


@routes.post("/v1/queue/resume", "Resume the queue", scope="admin", answers=(QUEUE,))
async def resume_queue(call: Call[None, NoQuery]) -> Reply:
    """Jobs start again. Harmless to repeat."""
    return await _pause(call, paused=False)


async def _pause(call: Call[Any, Any], *, paused: bool) -> Reply:
    service = call.service
    await call.block(service.jobs.pause, paused=paused)
    await service.access.audit(call.caller.name, "queue.paused" if paused else "queue.resumed", "queue", {})
    service.news.wake()
    return await _shown(call)


async def _shown(call: Call[Any, Any]) -> Reply:
    jobs = call.service.jobs
    paused, counts, since = await asyncio.gather(
        call.block(jobs.is_paused), call.block(jobs.counts), call.block(jobs.waiting_since)
    )
    waited = None if since is None else max(0.0, (utc_now() - since).total_seconds())
    return Reply(
        200,
        QueueView(
            paused=paused,
            queued=counts.get(State.QUEUED, 0),
            running=counts.get(State.RUNNING, 0),
            oldest_waiting_s=waited,
        ),
    )
