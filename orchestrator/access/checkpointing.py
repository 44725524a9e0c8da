"""Making checkpoints of the audit log, and keeping them until they are where they belong.

A checkpoint is signed under the lock under which rows are added, so of several services at once each sees the others'.
The key that signs is itself named in the log, by a row ``audit.key``, before it first does; there it vouches for the
keys before it, so that whoever trusts the present key can check old checkpoints too.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ...metering.periods import stamp
from ...storage.base import Part
from . import audit
from .checkpoints import Checkpoint, encoded, is_signed, read, succession

if TYPE_CHECKING:
    from ...storage.base import Session, Store
    from .audit_keys import AuditKey

KEPT = 1000
"""So many checkpoints stay in the database once they are told."""
_SCHEMA = """
CREATE TABLE audit_chain (chain_id TEXT PRIMARY KEY) {table};
CREATE TABLE audit_checkpoints (
    number   BIGINT PRIMARY KEY,
    at       TEXT NOT NULL,
    length   BIGINT NOT NULL,   -- rows of the log
    document TEXT NOT NULL,     -- the checkpoint, as it goes elsewhere
    told_at  TEXT               -- when it was there
) {table};
CREATE INDEX audit_checkpoints_waiting ON audit_checkpoints (number) WHERE told_at IS NULL;
"""
PART = Part("audit_checkpoints", _SCHEMA)

_CHAIN = "SELECT chain_id FROM audit_chain"
_LAST = "SELECT number, at, length FROM audit_checkpoints ORDER BY number DESC LIMIT 1"
_ADD = "INSERT INTO audit_checkpoints (number, at, length, document) VALUES (:number, :at, :length, :document)"
_OLD = "DELETE FROM audit_checkpoints WHERE number <= :number AND told_at IS NOT NULL"
_WAITING = "SELECT number, document FROM audit_checkpoints WHERE told_at IS NULL ORDER BY number LIMIT 100"
_TOLD = "UPDATE audit_checkpoints SET told_at = :at WHERE number = :number"
_KEYS = "SELECT data FROM audit WHERE action = :action ORDER BY seq"


def make(db: Session, key: AuditKey, at: datetime, *, actor: str, every: timedelta | None = None) -> Checkpoint | None:
    """A checkpoint of all rows there are; None where there are none, or where one is not due yet: with ``every`` one
    is made only where the log grew and the last one is so old."""
    db.alone(audit.LOCK)
    last = db.run(_LAST)
    rows = audit.newest(db, limit=1)
    if not rows or (every is not None and last and not _is_due(last[0], rows[0].seq, at - every)):
        return None
    chain_id = _chain_id(db)
    if _name_key(db, key, chain_id, at, actor):
        rows = audit.newest(db, limit=1)
    made = Checkpoint(chain_id, rows[0].seq, rows[0].hash, stamp(at), key.public).signed(key.sign)
    number = int(last[0]["number"]) + 1 if last else 1
    db.run(_ADD, number=number, at=made.at, length=made.rows, document=made.line())
    db.run(_OLD, number=number - KEPT)
    return made


def _is_due(last: Any, rows: int, before: datetime) -> bool:
    return int(last["length"]) < rows and str(last["at"]) <= stamp(before)


def chain_id(db: Session) -> str | None:
    """What names this log in checkpoints; None before the first one."""
    rows = db.run(_CHAIN)
    return str(rows[0]["chain_id"]) if rows else None


def _chain_id(db: Session) -> str:
    if (found := chain_id(db)) is None:
        found = str(uuid.uuid4())
        db.run("INSERT INTO audit_chain (chain_id) VALUES (:chain_id)", chain_id=found)
    return found


def _name_key(db: Session, key: AuditKey, chain: str, at: datetime, actor: str) -> bool:
    """Write into the log that this key signs from now on; whether it was not known yet."""
    before = [told["key"] for told in _told_keys(db)]
    if key.public in before:
        return False
    vouched = encoded(key.sign(succession(chain, key.public, before)))
    data = {"chain": chain, "key": key.public, "before": before, "signature": vouched}
    audit.chain(db, [audit.fact(at, actor, audit.KEY_ACTION, key.public, data)])
    return True


def _told_keys(db: Session) -> list[dict[str, Any]]:
    return [json.loads(row["data"]) for row in db.run(_KEYS, action=audit.KEY_ACTION)]


def trusted(told: Sequence[Mapping[str, Any]], keys: Iterable[str]) -> frozenset[str]:
    """These keys, and those before them for which they vouch in the log's rows ``audit.key``, whose data is
    ``told``. What the log alone says of a key counts for nothing."""
    found = set(keys)
    for each in reversed(told):
        key, before, signature = str(each.get("key")), each.get("before"), str(each.get("signature"))
        if key in found and isinstance(before, list):
            vouched = succession(str(each.get("chain")), key, [str(one) for one in before])
            found |= {str(one) for one in before} if is_signed(key, signature, vouched) else set()
    return frozenset(found)


def kept(db: Session) -> list[Checkpoint]:
    """Those that the database has, the oldest first."""
    return [read(row["document"]) for row in db.run("SELECT document FROM audit_checkpoints ORDER BY number")]


def tell(store: Store, told: Callable[[str], None], now: datetime) -> int:
    """Bring what waits to where it belongs, the oldest first; how many. ``told`` raises where it cannot be done now:
    they wait for the next time. One may come twice. Blocks."""
    waiting = store.read(lambda db: db.run(_WAITING))
    for row in waiting:
        told(str(row["document"]))
        store.transact(lambda db, row=row: db.run(_TOLD, number=row["number"], at=stamp(now)))  # type: ignore[misc]
    return len(waiting)
