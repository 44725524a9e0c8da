"""What is done once in a while: deadlines of waiting jobs, late money, content whose time is over, old keys."""

from __future__ import annotations

import asyncio
import time

from ... import log
from ...errors import StorageError
from .keeping import arrive, settle
from .kit import Kit
from .news import JobChanged

logger = log.get("orchestrator.upkeep")

EXPIRE_EVERY_S = 1.0
SETTLE_EVERY_S = 5.0
TIDY_EVERY_S = 60.0


async def upkeep(kit: Kit) -> None:
    """Until it is canceled. What cannot be done now is done the next time."""
    settled = tidied = float("-inf")  # at the start at once: a process that was killed may have left something
    while True:
        await asyncio.sleep(EXPIRE_EVERY_S)
        try:
            await _expire(kit)
            await kit.block(arrive, kit.assets)
            if time.monotonic() - settled >= SETTLE_EVERY_S:
                settled = time.monotonic()
                # Commands beside this process leave what was not in its place yet.
                await kit.block(kit.forget, await kit.block(kit.jobs.forgotten))
                await kit.block(settle, kit.jobs, kit.assets)
            if time.monotonic() - tidied >= TIDY_EVERY_S:
                tidied = time.monotonic()
                await kit.block(kit.catch_up)
                await kit.block(kit.jobs.forget_keys)
                for job_id in await kit.block(kit.sweep):
                    kit.news.publish(job_id, JobChanged(job_id))
                await kit.forget_elsewhere()
        except StorageError as exc:
            logger.warning("Upkeep waits: %s", exc, extra=log.action("upkeep_failed"))


async def _expire(kit: Kit) -> None:
    while expired := await kit.block(kit.jobs.expire):
        for job in expired:
            kit.news.publish(job.job_id, JobChanged(job.job_id))
