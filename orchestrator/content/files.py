"""Files that no job has any more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ...storage.assets.base import AssetStore
    from ...storage.assets.thumbnails import Thumbnails
    from ...storage.assets.uploads import Uploads
    from ..jobs.base import JobStore
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


def forget_files(kept: Kept, digests: Iterable[str]) -> None:
    """Delete those of these files that no job has any more, unless somebody uploaded them. Blocks."""
    for digest in digests:
        kept.thumbnails.delete(digest)
        # Asked again: since these were found to be nobody's, another job may have been given them.
        if not kept.uploads.holds(digest) and not kept.jobs.having(digest):
            kept.assets.delete(digest)
            kept.takedowns.forget(digest)
        kept.jobs.gone(digest)
