"""Files that come with an order, and files that no job has any more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from ...storage.assets.uploads import of_order
from ..jobs.states import State

if TYPE_CHECKING:
    from ...storage.assets.base import AssetStore
    from ...storage.assets.thumbnails import Thumbnails
    from ...storage.assets.uploads import Uploads
    from ...storage.base import Session
    from ..jobs.base import JobStore, Outbox
    from ..jobs.job import Job, JobEvent
    from .takedowns import Takedowns


class Kept(Protocol):
    """Where jobs and their files are: a service, or a machine's shelves while none runs."""

    @property
    def jobs(self) -> JobStore: ...
    @property
    def assets(self) -> AssetStore: ...
    @property
    def thumbnails(self) -> Thumbnails: ...
    @property
    def uploads(self) -> Uploads: ...
    @property
    def takedowns(self) -> Takedowns: ...


def with_order(uploads: Uploads) -> Outbox:
    """What came with an order is its job's as soon as that is there, and goes when the job's content does. What was
    only needed to make its pictures of is nobody's then."""

    def write(db: Session, job: Job, event: JobEvent) -> None:
        if event.kind == State.QUEUED.value and job.ordered.images:
            uploads.hand_over(db, of_order(job.job_id))

    return write


def forget_files(kept: Kept, digests: Iterable[str], *, beside_a_service: bool = False) -> None:
    """Delete those of these files that no job has any more, unless somebody uploaded them. Blocks.

    ``beside_a_service``: one may run that has such a file in memory alone, and brings it to its place in a moment. So
    what is not here stays written down, for the service to delete.
    """
    for digest in digests:
        deleted = True
        # Asked again: since these were found to be nobody's, another job may have been given them.
        if not kept.uploads.holds(digest) and not kept.jobs.having(digest):
            deleted = kept.assets.delete(digest)
            kept.takedowns.forget(digest)
        kept.thumbnails.delete(digest)
        if deleted or not beside_a_service:
            kept.jobs.gone(digest)
