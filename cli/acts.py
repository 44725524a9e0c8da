"""Acts of whoever works at the command line, in the audit log of the service whose database it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..storage.base import Store

ACTOR = "cli"


def note(store: Store, action: str, target: str, facts: Mapping[str, Any]) -> None:
    """Write an act into the audit log: what was done, to what, with which facts. The service may run meanwhile.

    Never content, and no secret: the log is kept for as long as there is one.
    """
    from ..clock import utc_now
    from ..orchestrator.access import audit
    from ..orchestrator.access.key_book import PART

    store.install(PART)
    told = audit.fact(utc_now(), ACTOR, action, target, facts)
    store.transact(lambda db: audit.chain(db, [told]))
