"""What is done once in a while: deadlines of waiting jobs, late money, content whose time is over, old keys."""

from __future__ import annotations

import asyncio
import time

from ... import log
from ...errors import StorageError, UnknownJob, WrongState
from .kit import Kit
from .news import JobChanged

logger = log.get("orchestrator.upkeep")

EXPIRE_EVERY_S = 1.0
TIDY_EVERY_S = 60.0


async def upkeep(kit: Kit, *, retention_days: float | None = None) -> None:
    """Until it is canceled. What cannot be done now is done the next time."""
    tidied = float("-inf")  # at the start at once: a process that was killed may have left something
    while True:
        await asyncio.sleep(EXPIRE_EVERY_S)
        try:
            await _expire(kit)
            if time.monotonic() - tidied >= TIDY_EVERY_S:
                tidied = time.monotonic()
                await kit.block(kit.catch_up)
                await kit.block(kit.jobs.forget_keys)
                await _purge(kit, retention_days)
                await kit.block(kit.forget, await kit.block(kit.jobs.forgotten))
        except StorageError as exc:
            logger.warning("Upkeep waits: %s", exc, extra=log.action("upkeep_failed"))


async def _expire(kit: Kit) -> None:
    while expired := await kit.block(kit.jobs.expire):
        for job in expired:
            kit.news.publish(job.job_id, JobChanged(job.job_id))


async def _purge(kit: Kit, retention_days: float | None) -> None:
    """Delete the content of jobs whose retention has ended."""
    while due := await kit.block(kit.jobs.due_for_purge, retention_days):
        for job_id in due:
            await _purge_one(kit, job_id)


async def _purge_one(kit: Kit, job_id: str) -> None:
    try:
        orphans = await kit.block(kit.jobs.purge, job_id)
    except (UnknownJob, WrongState):
        return
    await kit.block(kit.forget, orphans)
    kit.news.publish(job_id, JobChanged(job_id))
