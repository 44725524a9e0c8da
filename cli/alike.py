"""What a file without a credential looks like a copy of, among what jobs of this machine made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .books import open_ledger
from .settings import settings

if TYPE_CHECKING:
    from ..orchestrator.content.looking import Alike


def alike(file: Path) -> list[Alike]:
    """The likest first; none where no service ever ran here, or for what is no picture."""
    from ..errors import MintmarkError
    from ..orchestrator.content.looking import Lookbook
    from ..orchestrator.jobs.sql_store import SqlJobStore

    found, _ = settings()
    in_file = found.ledger_url is None or found.sandbox
    if in_file and not (found.books_dir / "ledger.sqlite3").exists():
        return []
    with open_ledger(found) as ledger:
        jobs = SqlJobStore(ledger)
        book = Lookbook(ledger.store, jobs, lambda _digest: b"", max_pixels=found.max_pixels)
        try:
            return book.find(file.read_bytes())
        except MintmarkError:
            return []
