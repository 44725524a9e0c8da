"""Leases are kept: many of an owner's asked about at once, and only those written that were not for a while."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from ...metering.periods import stamp
from .job import Renewed

if TYPE_CHECKING:
    from ...storage.base import Row, Session, Store

FRESH = 0.75
"""The part of a lease that is left to it at least when it was just renewed. Whoever keeps leases asks far more often,
to hear what is to be stopped; to write each time would cost a dozen indexes for nothing."""
AT_ONCE = 200
"""Leases in one transaction, at most: whoever ends one of these jobs, or reads, may have to wait for it."""


def _write(db: Session) -> str:
    # Rows that somebody has just now are left for the next time: whoever waits for several rows may be waited for.
    return f"""
UPDATE jobs SET lease_until = :until WHERE seq IN (
    SELECT seq FROM jobs WHERE job_id IN (SELECT value FROM {db.each("job_ids")})
       AND lease_owner = :owner AND lease_until < :old{db.skip_locked})
"""  # noqa: S608 - our own words


def _told_of(db: Session) -> str:
    # Of a job whose lease is somebody else's, or nobody's, there is no lease_until.
    return f"""
SELECT each.value AS job_id, jobs.lease_until, jobs.cancel_asked
FROM {db.each("job_ids")} LEFT JOIN jobs ON jobs.job_id = each.value AND jobs.lease_owner = :owner
WHERE jobs.job_id IS NULL OR jobs.cancel_asked IS NOT NULL OR jobs.lease_until < :old
"""  # noqa: S608 - our own words


def renew(store: Store, owner: str, job_ids: Iterable[str], at: datetime, lease_s: float) -> Renewed:
    """Keep leases; see :meth:`.base.JobStore.renew`."""
    renewed = Renewed([], [], [])
    ids = sorted(set(job_ids))
    for first in range(0, len(ids), AT_ONCE):
        part = ids[first : first + AT_ONCE]
        told = {row["job_id"]: row["cancel_asked"] for row in _renew(store, owner, part, at, lease_s)}
        for each in part:
            kept, asked = each not in told, told.get(each)
            (renewed.kept if kept else renewed.lost if asked is None else renewed.canceled).append(each)
    return renewed


def _renew(store: Store, owner: str, ids: Sequence[str], at: datetime, lease_s: float) -> list[Row]:
    """Keep these; what there is to say of those that are not to go on."""
    asked = {"job_ids": json.dumps(ids), "owner": owner}
    old = stamp(at + timedelta(seconds=lease_s * FRESH))
    until = stamp(at + timedelta(seconds=lease_s))

    def within(db: Session, *, write: bool) -> list[Row]:
        if write:
            db.run(_write(db), until=until, old=old, **asked)
        return db.run(_told_of(db), old=old, **asked)

    told = store.read(partial(within, write=False))
    if any(row["lease_until"] is not None and row["lease_until"] < old for row in told):
        told = store.transact(partial(within, write=True))
    # Of those that are old and somebody had just now there is nothing to say.
    return [row for row in told if row["lease_until"] is None or row["cancel_asked"] is not None]
