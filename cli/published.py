"""Workflows that were published to the service of this data folder, beside those that lie in files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UnknownVersion, UnknownWorkflow
from .books import has_ledger, open_ledger
from .settings import settings

if TYPE_CHECKING:
    from ..workflows.format import WorkflowVersion
    from ..workflows.library import Library


def every_published(library: Library, *, sandbox: bool) -> list[WorkflowVersion]:
    """All published versions, by name and age; none where there is no ledger yet, which is not made for this."""
    from ..orchestrator.releases.releases import Releases

    if not has_ledger(found := settings(sandbox=sandbox)[0]):
        return []
    with open_ledger(found) as ledger:
        releases = Releases(ledger.store, library)
        listed = [each for name in releases.names() for each in releases.versions(name) if not each.shipped]
        return [releases.by_digest(each.digest) for each in listed]


def resolved(library: Library, reference: str, *, sandbox: bool) -> WorkflowVersion:
    """What the reference means in the library, else to the service. Raises UnknownWorkflow and UnknownVersion."""
    from ..orchestrator.releases.releases import Releases

    try:
        return library.resolve(reference)
    except (UnknownWorkflow, UnknownVersion):
        if not has_ledger(found := settings(sandbox=sandbox)[0]):
            raise
    with open_ledger(found) as ledger:
        return Releases(ledger.store, library).resolve(reference)
