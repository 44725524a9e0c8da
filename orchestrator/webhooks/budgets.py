"""Telling that a budget has passed its soft limit: ``budget.soft_limit``, to one URL of the service's settings."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ... import log
from ...clock import Clock, utc_now
from ...errors import MintmarkError
from ...metering.periods import stamp
from ..access.side_task import SideTask
from .outbox import PART, add

if TYPE_CHECKING:
    from ...storage.base import Row, Session, Store

logger = log.get("webhooks")

EVERY_S = 5.0
LOOKED_BACK = timedelta(days=1)
"""Looked at again and again, and told once: so it is told of, too, if it passed while no service ran."""

_PASSED = """
SELECT e.event_id, e.at, e.period_start, e.microusd, b.budget_id, b.scope, b.scope_value, b.period, b.soft_microusd,
       b.limit_microusd
FROM events e JOIN budgets b ON b.budget_id = e.budget_id
WHERE e.kind = 'soft_limit' AND e.at >= :since
  AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.delivery_id = 'msg_budget_' || e.event_id)
ORDER BY e.event_id
"""


class BudgetNews(SideTask):
    """A side task. ``project``: whose secret signs where the budget is no project's."""

    NAME = "budget news"

    def __init__(self, store: Store, url: str, *, project: str, now: Clock = utc_now) -> None:
        self._store, self._url, self._project, self._now = store, url, project, now
        store.install(PART)

    async def _run(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.write)
            except MintmarkError as exc:
                logger.warning("News of budgets wait: %s", exc, extra=log.action("budget_news_wait"))
            await asyncio.sleep(EVERY_S)

    def write(self) -> int:
        """Write down what is to be told; how many it were. Blocks."""
        since = stamp(self._now() - LOOKED_BACK)
        if not self._store.read(lambda db: db.run(_PASSED, since=since)):
            return 0
        return self._store.transact(lambda db: self._leave(db, since))

    def _leave(self, db: Session, since: str) -> int:
        rows = db.run(_PASSED, since=since)
        for row in rows:
            project = row["scope_value"] if row["scope"] == "project" else self._project
            add(
                db,
                f"msg_budget_{row['event_id']}",
                "budget.soft_limit",
                row["at"],
                self._url,
                project=project,
                data=json.dumps(_told(row)),
            )
        return len(rows)


def _told(row: Row) -> dict[str, Any]:
    names = ("budget_id", "scope", "period", "period_start", "soft_microusd", "limit_microusd")
    at = datetime.fromisoformat(row["at"]).isoformat()
    return {
        **{name: row[name] for name in names},
        "name": row["scope_value"],
        "taken_microusd": row["microusd"],
        "at": at,
    }
