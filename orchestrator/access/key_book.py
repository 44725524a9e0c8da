"""The rows of API keys: made, read, changed. All functions work within somebody's transaction."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import InvalidInput
from ...metering.periods import stamp
from ...storage.base import Part
from .keys import Key, KeyLimits
from .velocity import digest_of_user

if TYPE_CHECKING:
    from ...storage.base import Row, Session


def _to_2(db: Session) -> None:
    """End users stand there by their digests."""
    for table in ("key_jobs", "end_user_spend"):
        for row in db.run(f"SELECT DISTINCT end_user FROM {table} WHERE end_user <> ''"):  # noqa: S608 - our own words
            sql = f"UPDATE {table} SET end_user = :digest WHERE end_user = :name"  # noqa: S608
            db.run(sql, name=row["end_user"], digest=digest_of_user(row["end_user"]))


PART = Part(
    "access", (Path(__file__).parent / "schema.sql").read_text(encoding="utf-8"), version=2, upgrades={1: _to_2}
)

_INSERT = """
INSERT INTO api_keys (key_id, name, digest, scopes, project, user_name, limits, created_at, expires_at)
VALUES (:key_id, :name, :digest, :scopes, :project, :user_name, :limits, :created_at, :expires_at)
"""
_ROTATE = """
UPDATE api_keys SET old_digest = digest, old_until = :old_until, digest = :digest WHERE key_id = :key_id
"""
_USED = "UPDATE api_keys SET used_at = :at WHERE key_id = :key_id AND (used_at IS NULL OR used_at < :at)"


def insert(db: Session, key: Key) -> None:
    """Write a new key down."""
    db.run(
        _INSERT,
        key_id=key.key_id,
        name=key.name,
        digest=key.digest,
        scopes=" ".join(sorted(key.scopes)),
        project=key.project,
        user_name=key.user,
        limits=json.dumps(key.limits.as_dict()),
        created_at=stamp(key.created_at),
        expires_at=None if key.expires_at is None else stamp(key.expires_at),
    )


def get(db: Session, key_id: str, *, lock: bool = False) -> Key | None:
    """The key, or None. ``lock``: nobody else changes it until this transaction is over."""
    how = db.for_update if lock else ""
    rows = db.run(f"SELECT * FROM api_keys WHERE key_id = :key_id{how}", key_id=key_id)  # noqa: S608 - no value
    return _key(rows[0]) if rows else None


def known(db: Session, key_id: str, *, lock: bool = True) -> Key:
    """The key, locked. Raises InvalidInput where there is none."""
    if (found := get(db, key_id, lock=lock)) is None:
        raise InvalidInput(f"There is no API key {key_id}.", hint="See: mintmark apikeys list", field="key_id")
    return found


def every(db: Session) -> list[Key]:
    """All keys, those that ended too, in the order in which they were made."""
    return [_key(row) for row in db.run("SELECT * FROM api_keys ORDER BY created_at, key_id")]


def any_key(db: Session) -> bool:
    """Whether a key was ever made. One that was revoked counts: revoking the last must not open the door to all."""
    return bool(db.run("SELECT 1 AS one FROM api_keys LIMIT 1"))


def rotate(db: Session, key_id: str, digest: str, old_until: datetime) -> None:
    """Give the key another secret; the present one stays valid for a while."""
    db.run(_ROTATE, key_id=key_id, digest=digest, old_until=stamp(old_until))


def revoke(db: Session, key_id: str, at: datetime) -> None:
    """End the key, with both its secrets."""
    db.run("UPDATE api_keys SET revoked_at = :at WHERE key_id = :key_id", key_id=key_id, at=stamp(at))


def hold(db: Session, key_id: str, at: datetime | None) -> None:
    """Hold the key's orders from now on; None: no more."""
    held_at = None if at is None else stamp(at)
    db.run("UPDATE api_keys SET held_at = :held_at WHERE key_id = :key_id", key_id=key_id, held_at=held_at)


def limit(db: Session, key_id: str, limits: KeyLimits) -> None:
    """Hold the key to other limits."""
    text = json.dumps(limits.as_dict())
    db.run("UPDATE api_keys SET limits = :limits WHERE key_id = :key_id", key_id=key_id, limits=text)


def used(db: Session, key_id: str, at: datetime) -> None:
    """Note when the key was last used."""
    db.run(_USED, key_id=key_id, at=stamp(at))


def _key(row: Row) -> Key:
    def time(name: str) -> Any:
        return None if row[name] is None else datetime.fromisoformat(row[name])

    return Key(
        key_id=row["key_id"],
        name=row["name"],
        digest=row["digest"],
        old_digest=row["old_digest"],
        old_until=time("old_until"),
        scopes=frozenset(row["scopes"].split()),
        project=row["project"],
        user=row["user_name"],
        limits=KeyLimits(**json.loads(row["limits"])),
        created_at=time("created_at"),
        expires_at=time("expires_at"),
        revoked_at=time("revoked_at"),
        held_at=time("held_at"),
        used_at=time("used_at"),
    )
