"""Secrets and deliveries as they are kept: shown, rotated, sent again. What blocks says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from ...clock import Clock, utc_now
from ...errors import InvalidInput
from ...metering.periods import stamp
from ..access.audit import chain, fact
from ..access.key_book import PART as ACCESS_PART
from .outbox import PART
from .signing import new_secret

if TYPE_CHECKING:
    from ...storage.base import Row, Session, Store

GRACE_S = 24 * 3600.0
State = Literal["waiting", "delivered", "dead"]

_SECRET = "SELECT secret, old_secret, old_until FROM webhook_secrets WHERE project = :project"  # noqa: S105 - a statement
_MAKE = """
INSERT INTO webhook_secrets (project, secret, created_at) VALUES (:project, :secret, :at)
ON CONFLICT (project) DO NOTHING
"""
_ROTATE = """
INSERT INTO webhook_secrets (project, secret, created_at) VALUES (:project, :secret, :at)
ON CONFLICT (project) DO UPDATE SET old_secret = webhook_secrets.secret, old_until = :until, secret = excluded.secret
"""
_LIST = """
SELECT * FROM webhook_deliveries
WHERE seq < :before AND (CAST(:state AS TEXT) IS NULL OR state = :state)
  AND (CAST(:job_id AS TEXT) IS NULL OR job_id = :job_id)
  AND (CAST(:project AS TEXT) IS NULL OR project = :project)
ORDER BY seq DESC LIMIT :most
"""
_ATTEMPTS = "SELECT * FROM webhook_attempts WHERE delivery_id = :delivery_id ORDER BY number"
_REPLAY = """
UPDATE webhook_deliveries SET state = 'waiting', begun_at = :at, next_at = :at, earlier = attempts, lease = NULL,
    ended_at = NULL
WHERE delivery_id = :delivery_id AND url <> '' RETURNING delivery_id
"""
_KNOWN = "SELECT 1 AS one FROM webhook_deliveries WHERE delivery_id = :delivery_id"
_REPLAY_DEAD = """
UPDATE webhook_deliveries SET state = 'waiting', begun_at = :at, next_at = :at, earlier = attempts, lease = NULL,
    ended_at = NULL
WHERE state = 'dead' AND url <> '' AND at >= :since
  AND (CAST(:project AS TEXT) IS NULL OR project = :project) RETURNING delivery_id
"""


@dataclass(frozen=True)
class Delivery:
    """One delivery, without its URL: the query of that may be a secret."""

    seq: int
    delivery_id: str
    job_id: str | None
    type: str
    at: datetime
    project: str
    target: str
    """Host and port."""
    state: State
    attempts: int
    next_at: datetime | None
    """None: it is over."""
    ended_at: datetime | None


@dataclass(frozen=True)
class Attempt:
    """One try. ``status`` None: there was no answer."""

    number: int
    at: datetime
    status: int | None
    latency_ms: int
    error: str | None
    response: str | None
    """Its beginning."""


class Webhooks:
    """``wake`` is called when something is to be sent at once. All methods block."""

    def __init__(self, store: Store, *, now: Clock = utc_now, wake: Callable[[], None] = lambda: None) -> None:
        self._store, self._now, self._wake = store, now, wake
        store.install(ACCESS_PART)
        store.install(PART)

    def rotate_secret(self, project: str, *, grace_s: float = GRACE_S, actor: str = "cli") -> str:
        """A new secret for the project's webhooks, never to be shown again; the one before signs along for so long."""
        if not 0 <= grace_s <= 366 * 86_400:
            raise InvalidInput("The grace is from 0 seconds to a year.", field="grace_s")
        secret, at = new_secret(), self._now()
        until = stamp(at + timedelta(seconds=grace_s))

        def work(db: Session) -> None:
            db.run(_ROTATE, project=project, secret=secret, at=stamp(at), until=until)
            chain(db, [fact(at, actor, "webhook.secret_rotated", project, {"old_until": until})])

        self._store.transact(work)
        return secret

    def deliveries(
        self,
        *,
        state: State | None = None,
        job_id: str | None = None,
        project: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Delivery]:
        """Deliveries, the newest first; those with ``seq`` below ``before``."""
        last = 2**62 if before is None else before
        where = {"state": state, "job_id": job_id, "project": project}
        return [_delivery(row) for row in self._store.read(lambda db: db.run(_LIST, before=last, most=limit, **where))]

    def attempts(self, delivery_id: str) -> list[Attempt]:
        """The tries of a delivery, in order."""
        return [_attempt(row) for row in self._store.read(lambda db: db.run(_ATTEMPTS, delivery_id=delivery_id))]

    def replay(self, delivery_id: str, *, actor: str = "cli") -> None:
        """Deliver it again, whatever came of it, under the same ``webhook-id``. Raises InvalidInput, also where its
        address was forgotten with its job."""
        at = self._now()

        def work(db: Session) -> None:
            if not db.run(_REPLAY, delivery_id=delivery_id, at=stamp(at)):
                raise _not_to_be_sent(db, delivery_id)
            chain(db, [fact(at, actor, "webhook.replayed", delivery_id, {})])

        self._store.transact(work)
        self._wake()

    def replay_dead(self, since: datetime, *, project: str | None = None, actor: str = "cli") -> int:
        """Deliver again what was given up and happened since then; how many."""
        at = self._now()

        def work(db: Session) -> int:
            found = db.run(_REPLAY_DEAD, at=stamp(at), since=stamp(since), project=project)
            told = {"since": stamp(since), "deliveries": len(found)}
            chain(db, [fact(at, actor, "webhook.replayed_dead", project or "", told)])
            return len(found)

        count = self._store.transact(work)
        self._wake()
        return count


def _not_to_be_sent(db: Session, delivery_id: str) -> InvalidInput:
    if db.run(_KNOWN, delivery_id=delivery_id):
        return InvalidInput(f"The address of delivery {delivery_id} was purged with its job.")
    return InvalidInput(f"There is no delivery {delivery_id}.", hint="See: mintmark webhooks list")


def secrets_of(db: Session, project: str, at: datetime) -> list[str]:
    """What the project's deliveries are signed with now: its secret, and during a grace the one before it, too."""
    found = []
    for row in db.run(_SECRET, project=project):
        found.append(str(row["secret"]))
        if row["old_secret"] is not None and stamp(at) < row["old_until"]:
            found.append(str(row["old_secret"]))
    return found


def make_secret(db: Session, project: str, at: datetime) -> None:
    """Give the project a secret, where it has none: what is sent is always signed."""
    db.run(_MAKE, project=project, secret=new_secret(), at=stamp(at))


def _delivery(row: Row) -> Delivery:
    ended = row["ended_at"]
    return Delivery(
        seq=int(row["seq"]),
        delivery_id=row["delivery_id"],
        job_id=row["job_id"],
        type=row["type"],
        at=datetime.fromisoformat(row["at"]),
        project=row["project"],
        target=row["target"],
        state=row["state"],
        attempts=int(row["attempts"]),
        next_at=datetime.fromisoformat(row["next_at"]) if row["state"] == "waiting" else None,
        ended_at=None if ended is None else datetime.fromisoformat(ended),
    )


def _attempt(row: Row) -> Attempt:
    return Attempt(
        number=int(row["number"]),
        at=datetime.fromisoformat(row["at"]),
        status=row["status"],
        latency_ms=int(row["latency_ms"]),
        error=row["error"],
        response=row["response"],
    )
