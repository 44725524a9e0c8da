"""Waiting for a job's end: woken by news, and looking by itself now and then in case a word was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..dispatch.news import JobChanged, JobEnding

if TYPE_CHECKING:
    from ..dispatch.news import Fact, Listener
    from ..jobs.job import Job
    from .call import Call

LOOK_S, LAST_LOOK_S = 1.0, 4.0
"""Between two looks, in seconds; doubled each time: news hurry, and with many who wait each look takes their time."""


async def ended(
    call: Call[Any, Any],
    job_id: str,
    seconds: float,
    known: Job | None = None,
    *,
    ending: Callable[[Job], None] = lambda job: None,
) -> Job | None:
    """The job once it is over; as it stands where it is not over in time; None where there is none. Raises
    NotAuthenticated where the caller's key ends before.

    ``known`` is how it stood a moment ago: it is not looked up before there is news of it, or time has passed.
    ``ending`` is told of it while the disk is waited for, to get ready what is told then.
    """
    clock = asyncio.get_running_loop().time
    until, pause_s = clock() + seconds, LOOK_S
    async with call.service.news.listen(job_id, JobChanged, JobEnding) as facts:
        job = known
        while True:
            job = job or await call.block(call.service.jobs.get, job_id)
            left = until - clock()
            if job is None or job.state.terminal or left <= 0:
                return job
            fact = await _next(facts, min(left, pause_s), ending)
            await call.again()
            pause_s = min(pause_s * 2, LAST_LOOK_S)
            job = fact.job if isinstance(fact, JobChanged) else None


async def _next(facts: Listener, timeout_s: float, ending: Callable[[Job], None]) -> Fact | None:
    """What became of the job next."""
    while isinstance(fact := await facts.next(timeout_s), JobEnding):
        ending(fact.job)
    return fact
