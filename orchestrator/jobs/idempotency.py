"""Doing once what was asked twice with the same ``Idempotency-Key``: for jobs, and for whatever else is created.

Within the transaction that creates something::

    if (known := find(db, asked, at)) is not None:
        return known.answer
    keep(db, asked, at, status=201, answer=text)
    ...
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ...errors import IdempotencyMismatch
from ...metering.periods import stamp
from ...storage.base import Part, Session, TryAgain
from .base import Idempotency

KEPT_DAYS = 7
PART = Part("idempotency", Path(__file__).with_name("idempotency.sql").read_text(encoding="utf-8"))

_FIND = """
SELECT digest, job_id, status, answer FROM idempotency WHERE scope = :scope AND key = :key AND expires > :at
"""
_KEEP = """
INSERT INTO idempotency (scope, key, digest, job_id, status, answer, expires)
VALUES (:scope, :key, :digest, :job_id, :status, :answer, :expires)
ON CONFLICT (scope, key) DO UPDATE
SET digest = excluded.digest, job_id = excluded.job_id, status = excluded.status, answer = excluded.answer,
    expires = excluded.expires
WHERE idempotency.expires <= :at RETURNING key
"""
_FORGET = """
DELETE FROM idempotency WHERE (scope, key) IN
    (SELECT scope, key FROM idempotency WHERE expires <= :at ORDER BY expires LIMIT :most) RETURNING 1 AS one
"""
_AT_ONCE = 1000


@dataclass(frozen=True)
class Known:
    """What came of the first request: a job, or an answer with its HTTP status."""

    job_id: str | None
    status: int | None
    answer: str | None


def find(db: Session, asked: Idempotency, at: datetime) -> Known | None:
    """What this key made; None where it is not known (any more). Raises IdempotencyMismatch."""
    rows = db.run(_FIND, scope=asked.scope, key=asked.key, at=stamp(at))
    if not rows:
        return None
    if rows[0]["digest"] != asked.digest:
        raise IdempotencyMismatch(
            "This Idempotency-Key came with another body before.",
            hint="Use a new key for each new request; the same one only to ask for the same again.",
        )
    return Known(rows[0]["job_id"], rows[0]["status"], rows[0]["answer"])


def keep(
    db: Session,
    asked: Idempotency,
    at: datetime,
    *,
    job_id: str | None = None,
    status: int | None = None,
    answer: str | None = None,
) -> None:
    """Remember what the key made. Do this before anything else is written: where somebody else is just doing the same,
    this waits for them, and then the transaction begins anew (TryAgain)."""
    kept = db.run(
        _KEEP,
        scope=asked.scope,
        key=asked.key,
        digest=asked.digest,
        job_id=job_id,
        status=status,
        answer=answer,
        at=stamp(at),
        expires=stamp(at + timedelta(days=KEPT_DAYS)),
    )
    if not kept:
        raise TryAgain


def forget(db: Session, at: datetime) -> int:
    """Delete keys whose time is over, a thousand at most; how many."""
    return len(db.run(_FORGET, at=stamp(at), most=_AT_ONCE))
