"""Leases are kept: all of an owner's asked about at once, and only those written that were not for a while."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ...metering.periods import stamp
from .job import Renewed

if TYPE_CHECKING:
    from ...storage.base import Session, Store

FRESH = 0.75
"""The part of a lease that is left to it at least when it was just renewed. Whoever keeps leases asks far more often,
to hear what is to be stopped; to write each time would cost a dozen indexes for nothing."""
AT_ONCE = 200
"""Leases that one transaction writes, at most: whoever ends one of these jobs meanwhile waits for it."""


def _any_old(db: Session) -> str:
    return f"""
SELECT 1 FROM {db.each("job_ids")} JOIN jobs ON jobs.job_id = each.value
WHERE jobs.lease_owner = :owner AND jobs.lease_until < :old LIMIT 1
"""  # noqa: S608 - our own words


def _write(db: Session) -> str:
    # Rows that somebody has just now are left for the next time: whoever waits for several rows may be waited for.
    return f"""
UPDATE jobs SET lease_until = :until WHERE seq IN (
    SELECT seq FROM jobs WHERE job_id IN (SELECT value FROM {db.each("job_ids")})
       AND lease_owner = :owner AND lease_until < :old ORDER BY seq LIMIT {AT_ONCE}{db.skip_locked})
RETURNING job_id
"""  # noqa: S608 - our own words


def _not_kept(db: Session) -> str:
    return f"""
SELECT each.value AS job_id, jobs.cancel_asked
FROM {db.each("job_ids")} LEFT JOIN jobs ON jobs.job_id = each.value AND jobs.lease_owner = :owner
WHERE jobs.job_id IS NULL OR jobs.cancel_asked IS NOT NULL
"""  # noqa: S608 - our own words


def renew(store: Store, owner: str, job_ids: Iterable[str], at: datetime, lease_s: float) -> Renewed:
    """Keep leases; see :meth:`.base.JobStore.renew`."""
    ids = sorted(set(job_ids))
    asked = {"job_ids": json.dumps(ids), "owner": owner}
    times = {"until": stamp(at + timedelta(seconds=lease_s)), "old": stamp(at + timedelta(seconds=lease_s * FRESH))}
    for _ in range(0, len(ids), AT_ONCE):
        if not store.read(lambda db: db.run(_any_old(db), old=times["old"], **asked)):
            break
        if not store.transact(lambda db: db.run(_write(db), **times, **asked)):
            break
    rows = {row["job_id"]: row["cancel_asked"] for row in store.read(lambda db: db.run(_not_kept(db), **asked))}
    return Renewed(
        kept=[each for each in ids if each not in rows],
        canceled=[each for each in ids if rows.get(each) is not None],
        lost=[each for each in ids if each in rows and rows[each] is None],
    )
