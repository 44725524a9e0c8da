"""The audit log: who did what, in rows that are chained by their hashes, so that none can be changed unseen.

The hash of a row is the SHA-256 of the canonical JSON of all of it, with its number and the hash before. An edited, an
inserted, a missing or a moved row breaks the chain there. (That the tail was cut off, only a checkpoint kept elsewhere
can tell.) Of content there are only digests, so the log can outlive what it tells of.

A chain has one writer at a time. Acts of admins are few and wait for their turn; facts of jobs are many, so they are
written down unchained, each in the transaction that it tells of, and chained afterwards many at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...metering.periods import stamp
from ...workflows.digest import canonical

if TYPE_CHECKING:
    from ...storage.base import Row, Session, Store

LOCK = "audit"
BATCH = 500
START = "0" * 64
"""What stands before the first row."""

_LAST = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1"
_ADD = """
INSERT INTO audit (seq, at, actor, action, target, data, prev, hash)
VALUES (:seq, :at, :actor, :action, :target, :data, :prev, :hash)
"""
_WAIT = """
INSERT INTO audit_waiting (at, actor, action, target, data) VALUES (:at, :actor, :action, :target, :data)
"""
_WAITING = "SELECT id, at, actor, action, target, data FROM audit_waiting ORDER BY id LIMIT :most"
_CHAINED = "DELETE FROM audit_waiting WHERE id = :id"
_PAGE = "SELECT seq, at, actor, action, target, data, prev, hash FROM audit WHERE seq > :after ORDER BY seq LIMIT :most"
_NEWEST = """
SELECT seq, at, actor, action, target, data, prev, hash FROM audit
WHERE seq < :before ORDER BY seq DESC LIMIT :most
"""


@dataclass(frozen=True)
class Fact:
    """What is to be in the log. ``data`` is canonical JSON."""

    at: str
    actor: str
    action: str
    target: str
    data: str


@dataclass(frozen=True)
class Entry:
    """A row of the log."""

    seq: int
    at: datetime
    actor: str
    action: str
    target: str
    data: dict[str, Any]
    prev: str
    hash: str


@dataclass(frozen=True)
class Break:
    """Where the chain breaks first, and why, in a sentence."""

    seq: int
    why: str


def fact(at: datetime, actor: str, action: str, target: str, data: Mapping[str, Any]) -> Fact:
    """A fact as it is written. Raises InvalidWorkflow where ``data`` is no JSON."""
    return Fact(stamp(at), actor, action, target, canonical(data).decode())


def hash_of(seq: int, its: Fact, prev: str) -> str:
    """The hash of a row."""
    row = {"seq": seq, "prev": prev, "at": its.at, "actor": its.actor, "action": its.action, "target": its.target}
    return hashlib.sha256(canonical({**row, "data": its.data})).hexdigest()


def chain(db: Session, facts: Iterable[Fact]) -> None:
    """Add rows at the end, within a transaction; until it is over nobody else adds any."""
    db.alone(LOCK)
    rows = db.run(_LAST)
    seq, prev = (int(rows[0]["seq"]), str(rows[0]["hash"])) if rows else (0, START)
    for its in facts:
        seq += 1
        following = hash_of(seq, its, prev)
        db.run(_ADD, seq=seq, prev=prev, hash=following, **vars(its))
        prev = following


def leave(db: Session, its: Fact) -> None:
    """Write a fact down that is chained later."""
    db.run(_WAIT, **vars(its))


def waits(db: Session) -> bool:
    """Whether there is a fact that is not chained yet."""
    return bool(db.run("SELECT 1 AS one FROM audit_waiting LIMIT 1"))


def chain_waiting(db: Session) -> int:
    """Chain up to :data:`BATCH` facts that wait; how many it were."""
    db.alone(LOCK)
    rows = db.run(_WAITING, most=BATCH)
    if rows:
        chain(db, [_fact(row) for row in rows])
        for row in rows:
            db.run(_CHAINED, id=row["id"])
    return len(rows)


def newest(db: Session, *, before: int | None = None, limit: int = 100) -> list[Entry]:
    """Rows, the newest first."""
    return [_entry(row) for row in db.run(_NEWEST, before=2**62 if before is None else before, most=limit)]


def oldest(store: Store, *, after: int = 0) -> Iterator[Entry]:
    """All rows in order, read a page at a time."""
    return (_entry(row) for row in _rows(store, after))


def verify(store: Store) -> Break | None:
    """The first row that is not what it was, or None. Reads everything."""
    seq, prev = 0, START
    for row in _rows(store, 0):
        if why := _wrong(row, seq, prev):
            return Break(int(row["seq"]), why)
        seq, prev = int(row["seq"]), str(row["hash"])
    return None


def _wrong(row: Row, seq: int, prev: str) -> str:
    if (found := int(row["seq"])) != seq + 1:
        return f"Row {seq + 1} is missing; the next one there is {found}."
    if hash_of(found, _fact(row), row["prev"]) != row["hash"]:
        return f"Row {found} is not what it was when it was written."
    return "" if row["prev"] == prev else f"Row {found} does not follow on row {seq}: one of them was replaced."


def _rows(store: Store, after: int) -> Iterator[Row]:
    while True:
        page = store.read(lambda db, after=after: db.run(_PAGE, after=after, most=BATCH))  # type: ignore[misc]  # bound here
        if not page:
            return
        yield from page
        after = int(page[-1]["seq"])


def _fact(row: Row) -> Fact:
    return Fact(row["at"], row["actor"], row["action"], row["target"], row["data"])


def _entry(row: Row) -> Entry:
    at = datetime.fromisoformat(row["at"])
    names = ("actor", "action", "target", "prev", "hash")
    given = {name: row[name] for name in names}
    return Entry(seq=int(row["seq"]), at=at, data=json.loads(row["data"]), **given)
