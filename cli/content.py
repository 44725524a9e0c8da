"""What commands about content share: the store with the tables that it stands in, and the files beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .books import open_ledger
from .settings import settings

if TYPE_CHECKING:
    from ..orchestrator.content.takedowns import Takedowns
    from ..orchestrator.jobs.sql_store import SqlJobStore
    from ..storage.assets.folder import FolderAssets
    from ..storage.assets.thumbnails import Thumbnails
    from ..storage.assets.uploads import Uploads
    from ..storage.base import Store


@contextmanager
def store_of(sandbox: bool) -> Iterator[Store]:
    """The database."""
    from ..orchestrator.access.key_book import PART as ACCESS
    from ..orchestrator.content.holds import PART

    found, _ = settings(sandbox=sandbox)
    with open_ledger(found) as ledger:
        for part in (ACCESS, PART):
            ledger.store.install(part)
        yield ledger.store


@dataclass
class Shelves:
    """Jobs and files of this machine, whether or not a service runs on them."""

    store: Store
    jobs: SqlJobStore
    assets: FolderAssets
    thumbnails: Thumbnails
    uploads: Uploads
    takedowns: Takedowns

    def forget_assets(self, digests: Iterable[str]) -> None:
        """Delete files that no job has any more, unless somebody uploaded them. Blocks."""
        from ..orchestrator.content.files import forget_files

        forget_files(self, digests, beside_a_service=True)


@contextmanager
def shelves(sandbox: bool) -> Iterator[Shelves]:
    """All of them."""
    from .. import config
    from ..config.service import ServiceSettings
    from ..orchestrator.access.access import Access
    from ..orchestrator.content.holds import held
    from ..orchestrator.content.takedowns import Takedowns
    from ..orchestrator.jobs.sql_store import SqlJobStore
    from ..storage.assets.folder import FolderAssets
    from ..storage.assets.thumbnails import Thumbnails
    from ..storage.assets.uploads import Uploads

    found, _ = settings(sandbox=sandbox)
    service = config.load_section(ServiceSettings, config.sources())
    with open_ledger(found) as ledger:
        store, most = ledger.store, found.max_pixels
        access = Access(store, ledger=ledger)
        jobs = SqlJobStore(ledger, outbox=access.on_job, held=held)
        assets = FolderAssets(service.assets or found.books_dir / "assets")
        thumbnails = Thumbnails(found.books_dir / "service" / "thumbnails", assets, max_pixels=most)
        uploads = Uploads(store, assets, max_pixels=most)
        aside = FolderAssets(found.books_dir / "withheld")
        takedowns = Takedowns(store, jobs, assets, thumbnails, aside, max_pixels=most)
        yield Shelves(store, jobs, assets, thumbnails, uploads, takedowns)
