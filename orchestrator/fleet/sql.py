"""What is asked of the database about workers, each thing within the caller's transaction."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from ...metering.periods import stamp
from ...storage.base import Part, Row, Session
from .entries import Entry


def _to_2(db: Session) -> None:
    """What is to be warm, and who is tried."""
    db.script("ALTER TABLE workers ADD COLUMN warm TEXT NOT NULL DEFAULT ''")
    db.script("ALTER TABLE workers ADD COLUMN canary INTEGER")


def _to_3(db: Session) -> None:
    """Who ever told what it has. Of those that are there that is not known, so they are waited for as before."""
    db.script("ALTER TABLE workers ADD COLUMN told_at TEXT")
    db.script("UPDATE workers SET told_at = added_at")


PART = Part(
    "workers",
    (Path(__file__).parent / "schema.sql").read_text(encoding="utf-8"),
    version=3,
    upgrades={1: _to_2, 2: _to_3},
)
LOCK = "workers"

_COLUMNS = (
    "name, url, labels, region, hour_microusd, warm, canary, "
    "state, reason, until, strikes, struck_at, told_at, added_at, added_by"
)
_ALL = f"SELECT {_COLUMNS} FROM workers ORDER BY name"  # noqa: S608 - our own words
_ONE = f"SELECT {_COLUMNS} FROM workers WHERE name = :name"  # noqa: S608
_AT = "SELECT name FROM workers WHERE url = :url"
_PUT = f"""
INSERT INTO workers ({_COLUMNS})
VALUES (:name, :url, :labels, :region, :hour_microusd, :warm, :canary,
        :state, :reason, :until, :strikes, :struck_at, :told_at, :added_at, :added_by)
ON CONFLICT (name) DO UPDATE SET labels = excluded.labels, region = excluded.region,
    hour_microusd = excluded.hour_microusd, warm = excluded.warm, canary = excluded.canary,
    state = excluded.state, reason = excluded.reason, until = excluded.until,
    strikes = excluded.strikes, struck_at = excluded.struck_at, told_at = excluded.told_at
"""  # noqa: S608
_DELETE = "DELETE FROM workers WHERE name = :name"
_BUSY = "SELECT COUNT(*) AS jobs FROM jobs WHERE state = 'running' AND worker = :name"
_REVISION = "SELECT revision FROM workers_revision WHERE id = 1"
_GROW = "UPDATE workers_revision SET revision = revision + 1 WHERE id = 1"


def revision(db: Session) -> int:
    """How often anything was changed."""
    return int(db.run(_REVISION)[0]["revision"])


def every(db: Session) -> list[Entry]:
    """All of them, by name."""
    return [_entry(row) for row in db.run(_ALL)]


def get(db: Session, name: str) -> Entry | None:
    """The entry of this name."""
    rows = db.run(_ONE, name=name)
    return _entry(rows[0]) if rows else None


def at(db: Session, url: str) -> str | None:
    """Who has this URL."""
    rows = db.run(_AT, url=url)
    return str(rows[0]["name"]) if rows else None


def put(db: Session, entry: Entry) -> None:
    """Write it down as it is now. Name, URL and who added it never change."""
    db.run(_PUT, **_row(entry))
    db.run(_GROW)


def delete(db: Session, name: str) -> None:
    """Forget it."""
    db.run(_DELETE, name=name)
    db.run(_GROW)


def running(db: Session, name: str) -> int:
    """How many jobs run there, whichever service gave them to it."""
    return int(db.run(_BUSY, name=name)[0]["jobs"])


def _row(entry: Entry) -> dict[str, Any]:
    times = {name: _text(getattr(entry, name)) for name in ("until", "struck_at", "told_at", "added_at")}
    return {**vars(entry), "labels": " ".join(sorted(entry.labels)), "warm": "\n".join(entry.warm), **times}


def _entry(row: Row) -> Entry:
    return Entry(
        name=row["name"],
        url=row["url"],
        labels=frozenset(row["labels"].split()),
        region=row["region"],
        hour_microusd=None if row["hour_microusd"] is None else int(row["hour_microusd"]),
        warm=tuple(row["warm"].splitlines()),
        canary=None if row["canary"] is None else int(row["canary"]),
        state=row["state"],
        reason=row["reason"],
        until=_time(row["until"]),
        strikes=int(row["strikes"]),
        struck_at=_time(row["struck_at"]),
        told_at=_time(row["told_at"]),
        added_at=datetime.fromisoformat(row["added_at"]),
        added_by=row["added_by"],
    )


def _text(at: datetime | None) -> str | None:
    return None if at is None else stamp(at)


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
