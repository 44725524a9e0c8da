"""Forgetting what has been kept for long enough: every minute what is due, and at night what deleting leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from ... import log
from ...clock import Clock, utc_now
from ...errors import UnknownJob, WrongState
from . import due as dues
from .due import Due
from .holds import PART
from .rules import Rule

if TYPE_CHECKING:
    from ...storage.base import Session, Store
    from ..jobs.base import JobStore

logger = log.get("orchestrator.content")

TABLES = (
    *("jobs", "job_events", "job_metadata", "job_assets", "laid_assets", "idempotency"),
    *("uploads", "webhook_deliveries", "webhook_attempts", "looks"),
)
"""Where content has stood that is deleted."""
NIGHT = 3
"""The hour (UTC) from which on the nightly work is done, once a day."""
_RELEASED = "SELECT max(released_at) AS latest FROM legal_holds"


class Sweeper:
    """``default``: how long is kept what no project's rule speaks of. ``forget_assets`` deletes files that no job has
    any more; ``forget_uploads`` forgets those that are old, and says which files are nobody's upload then; ``scrub``
    clears away what deleting leaves in databases, and says whether it could. All methods block."""

    def __init__(
        self,
        store: Store,
        jobs: JobStore,
        default: Rule,
        *,
        forget_assets: Callable[[Iterable[str]], None],
        scrub: Callable[[], bool],
        forget_uploads: Callable[[], list[str]] = list,
        now: Clock = utc_now,
    ) -> None:
        self._scrub = scrub
        self._store, self._jobs, self._default, self._now = store, jobs, default, now
        self._forget_assets, self._forget_uploads = forget_assets, forget_uploads
        self._released: str | None = ""
        self._swept = False
        self._scrubbed = now()
        store.install(PART)

    def sweep(self) -> list[str]:
        """Forget what is due; the jobs of which something was."""
        done: list[str] = []
        while found := self._store.read(lambda db: dues.due(db, self._default, self._now())):
            done += [each.job_id for each in found if self._forget(each)]
        if (released := self._store.read(_latest_release)) != self._released:
            done += self._again()
            self._released = released
        self._forget_assets(old := self._forget_uploads())
        self._swept = self._swept or bool(done or old)
        self._scrub_at_night()
        return done

    def _again(self) -> list[str]:
        """Those that were held; a hold was released since they were looked at last."""
        done, after = [], ""
        while found := self._store.read(lambda db, after=after: dues.skipped(db, after)):  # type: ignore[misc]
            done += [each.job_id for each in found if self._forget(each)]
            after = found[-1].job_id
        return done

    def _forget(self, its: Due) -> bool:
        held = False
        try:
            self._forget_assets(self._jobs.purge(its.job_id, its.contents))
        except WrongState as exc:
            held = True
            logger.info("%s", exc, extra=log.action("purge_held", job_id=its.job_id))
        except UnknownJob:
            pass
        self._store.transact(lambda db: dues.see(db, its, held=held))
        return not held

    def _scrub_at_night(self) -> None:
        at = self._now()
        tonight = at.replace(hour=NIGHT, minute=0, second=0, microsecond=0)
        tonight -= timedelta(days=1) if tonight > at else timedelta()
        if self._scrubbed >= tonight:
            return
        # Where somebody reads what is older it is tried again a minute later.
        if not self._swept or self._scrub():
            self._swept, self._scrubbed = False, at


def _latest_release(db: Session) -> str | None:
    found: str | None = db.run(_RELEASED)[0]["latest"]
    return found
