"""Forgetting a job where it is kept beside the job store: here, in the journal and what webhooks and looks remember;
and on the workers on which it ever ran, over the wire.

The job store wrote down where, in the transaction in which it forgot the job itself. So what cannot be done now, as a
worker is away or a process died, is done by whoever comes next.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ... import log
from ...errors import MintmarkError
from ..jobs import records
from ..jobs.prompts import prompt_ids
from ..jobs.states import Step
from ..webhooks.outbox import PART as OUTBOX
from ..webhooks.outbox import forget_addresses
from .holds import PART

if TYPE_CHECKING:
    from ...generation.journal import Journal
    from ...storage.base import Session, Store
    from ...storage.spool import Spool
    from ..jobs.base import JobStore
    from ..jobs.purging import Elsewhere
    from ..link.base import Link

logger = log.get("orchestrator.content")

Block = Callable[..., Awaitable[Any]]
"""Makes a blocking call in a thread."""
_SAID = """
UPDATE webhook_attempts SET response = NULL
WHERE delivery_id IN (SELECT delivery_id FROM webhook_deliveries WHERE job_id = :job_id)
"""
_TOLD = "UPDATE webhook_deliveries SET data = NULL WHERE job_id = :job_id AND data IS NOT NULL"
_LOOK = "DELETE FROM looks WHERE asset = :asset"


class Here:
    """What this machine has beside the job store. ``spool`` has the results that the journal names. Blocks."""

    def __init__(self, store: Store, journal: Journal, spool: Spool) -> None:
        self._store, self._journal, self._spool = store, journal, spool
        for part in (PART, OUTBOX):
            store.install(part)

    def forget(self, job_ids: Sequence[str], assets: Iterable[str]) -> None:
        """Forget the job, under all ids that its prompts had."""

        def work(db: Session) -> None:
            db.run(_SAID, job_id=job_ids[0])
            db.run(_TOLD, job_id=job_ids[0])
            if (its := records.find(db, job_ids[0])) is None or "prompts" in its.job.forgotten:
                forget_addresses(db, job_ids[0])
            for asset in assets:
                db.run(_LOOK, asset=asset)

        self._store.transact(work)
        for each in job_ids:
            for digest in self._journal.forget(each).spooled:
                self._spool.drop(digest)


def ids_of(jobs: JobStore, job_id: str) -> list[str]:
    """The ids under which the job's prompts ran on workers. Blocks."""
    events = jobs.events(job_id)
    return prompt_ids(job_id, (each.data.get("reason") for each in events if each.kind == Step.REQUEUED.value))


async def forget_elsewhere(jobs: JobStore, here: Here, links: Mapping[str, Link], block: Block) -> int:
    """See to all that can be seen to now; how many are left. ``links`` are those to workers that answer, by name."""
    left = 0
    for each in await block(jobs.elsewhere):
        if each.place and each.place not in links:
            left += 1
            continue
        try:
            await _forget(each, await block(ids_of, jobs, each.job_id), here, links, block)
        except MintmarkError as exc:
            logger.warning(
                "%s could not forget what it has of job %s yet: %s",
                each.place or "This machine",
                each.job_id,
                exc,
                extra=log.action("forget_failed", job_id=each.job_id),
            )
            left += 1
            continue
        await block(jobs.gone_elsewhere, each)
    return left


async def _forget(its: Elsewhere, job_ids: Sequence[str], here: Here, links: Mapping[str, Link], block: Block) -> None:
    if not its.place:
        await block(here.forget, job_ids, its.assets)
        return
    for job_id in job_ids:
        await links[its.place].forget(job_id, its.assets)
    # At once: a ComfyUI that has its answer in memory gives the same order the names of files that are gone now.
    await _free(links[its.place])


async def _free(link: Link) -> None:
    """Results of nodes that a worker has in memory are content, too, whoever asked for them."""
    try:
        await link.free()
    except MintmarkError as exc:
        logger.warning("%s keeps results in memory: %s", link.url, exc, extra=log.action("free_failed"))
