"""The audit log: who did what, in rows that are chained by their hashes, so that none can be changed unseen.

The hash of a row is the SHA-256 of the canonical JSON of all of it, with its number and the hash before. An edited, an
inserted, a missing or a moved row breaks the chain there. (That the tail was cut off, only a checkpoint kept elsewhere
can tell: see checkpoints.py.) Of content there are only digests, so the log can outlive what it tells of.

A chain has one writer at a time. Acts of admins are few and wait for their turn; facts of jobs are many, so they are
written down unchained, each in the transaction that it tells of, and chained afterwards many at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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
KEY_ACTION = "audit.key"
"""The action of rows that say which key signs checkpoints from there on: see checkpointing.py."""
NEAR = 5000
"""How far from its place a row is looked for that was moved."""

_LAST = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1"
_ADD = """
INSERT INTO audit (seq, at, actor, action, target, data, prev, hash)
VALUES (:seq, :at, :actor, :action, :target, :data, :prev, :hash)
"""
_WAIT = """
INSERT INTO audit_waiting (at, actor, action, target, data) VALUES (:at, :actor, :action, :target, :data)
"""
# What is chained is what this statement took away: a fact that is committed late, with an id in between, stays.
_WAITING = """
DELETE FROM audit_waiting WHERE id IN (SELECT id FROM audit_waiting ORDER BY id LIMIT :most)
RETURNING id, at, actor, action, target, data
"""
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


@dataclass(frozen=True)
class Seen:
    """What a look through a whole log found. ``rows``: the number of the last one; ``hash``: its hash."""

    rows: int
    hash: str
    broken: Break | None
    hashes: Mapping[int, str]
    """Those that were to be noted, by row."""
    keys: Sequence[Mapping[str, Any]]
    """What the log's own rows say of the keys that sign its checkpoints, the oldest first."""


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
    rows = sorted(db.run(_WAITING, most=BATCH), key=lambda row: int(row["id"]))
    if rows:
        chain(db, [_fact(row) for row in rows])
    return len(rows)


def newest(db: Session, *, before: int | None = None, limit: int = 100) -> list[Entry]:
    """Rows, the newest first."""
    return [_entry(row) for row in db.run(_NEWEST, before=2**62 if before is None else before, most=limit)]


def oldest(store: Store, *, after: int = 0) -> Iterator[Entry]:
    """All rows in order, read a page at a time."""
    return (_entry(row) for row in _rows(store, after))


def verify(store: Store) -> Break | None:
    """The first row that is not what it was, or None. Reads everything."""
    return look_through(all_rows(store)).broken


def look_through(rows: Iterable[Row], noting: Collection[int] = ()) -> Seen:
    """What there is to say of these rows, which begin with the first; of those whose numbers are ``noting`` the hash,
    too."""
    seq, prev, broken, hashes = 0, START, None, {}
    keys = []
    for row in rows:
        if broken is None and (why := _wrong(row, seq, prev)):
            broken = Break(int(row["seq"]), why)
        seq, prev = int(row["seq"]), str(row["hash"])
        if seq in noting:
            hashes[seq] = prev
        if row["action"] == KEY_ACTION:
            keys.append(json.loads(row["data"]))
    return Seen(seq, prev, broken, hashes, keys)


def _wrong(row: Row, seq: int, prev: str) -> str:
    if (found := int(row["seq"])) != seq + 1:
        return f"Row {seq + 1} is missing; the next one there is {found}."
    if hash_of(found, _fact(row), row["prev"]) != row["hash"]:
        if (place := _place(row)) is not None:
            return f"Row {found} is what was row {place}: rows were put into another order."
        return f"Row {found} is not what it was when it was written."
    return "" if row["prev"] == prev else f"Row {found} does not follow on row {seq}: one of them was replaced."


def _place(row: Row) -> int | None:
    """The number with which the row's hash is right, not too far from the one that it has."""
    its, found = _fact(row), int(row["seq"])
    near = range(max(1, found - NEAR), found + NEAR)
    return next((seq for seq in near if hash_of(seq, its, row["prev"]) == row["hash"]), None)


def all_rows(store: Store) -> Iterator[Row]:
    """All rows as they are kept, in order, read a page at a time."""
    return _rows(store, 0)


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
