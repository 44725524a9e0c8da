"""Small files of jobs that ended, kept with the job until they are surely on the disk.

A job has ended well when its files can be had, also after a power failure. To wait for the disk for each of them takes
longer than all else at a job's end; in the transaction that is waited for anyway they cost next to nothing.
So a small file is laid into its folder, kept here, and forgotten here once the disk has it (see ``AssetStore.lay``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ...storage.base import Part

if TYPE_CHECKING:
    from ...storage.base import Session

PART = Part(
    "laid_assets",
    """
CREATE TABLE laid_assets (
    asset TEXT NOT NULL,
    place TEXT NOT NULL,   -- the folder in which it lies
    data  BYTEA NOT NULL,  -- all of it
    PRIMARY KEY (asset, place)
);
""",
)

_LAY = """
INSERT INTO laid_assets (asset, place, data) VALUES (:asset, :place, :data) ON CONFLICT (asset, place) DO NOTHING
"""
_ALL = "SELECT asset, data FROM laid_assets"
_OF = "SELECT data FROM laid_assets WHERE asset = :asset"
_HERE = " WHERE place = :place"
_AND_HERE = " AND place = :place"
_FORGET = "DELETE FROM laid_assets WHERE asset = :asset"


def keep(db: Session, place: str, files: Mapping[str, bytes]) -> None:
    """Keep these files of a job, by their digests, in the transaction in which it ends."""
    for asset in sorted(files):
        db.run(_LAY, asset=asset, place=place, data=files[asset])


def kept(db: Session, place: str | None) -> dict[str, bytes]:
    """The files of this place that may not be on its disk; None: of every place."""
    rows = db.run(_ALL) if place is None else db.run(_ALL + _HERE, place=place)
    return {row["asset"]: bytes(row["data"]) for row in rows}


def found(db: Session, place: str | None, asset: str) -> bytes | None:
    """One of them."""
    rows = db.run(_OF, asset=asset) if place is None else db.run(_OF + _AND_HERE, asset=asset, place=place)
    return bytes(rows[0]["data"]) if rows else None


def settled(db: Session, place: str | None, assets: Iterable[str]) -> None:
    """The disk has them."""
    for asset in sorted(assets):
        if place is None:
            forget(db, asset)
        else:
            db.run(_FORGET + _AND_HERE, asset=asset, place=place)


def forget(db: Session, asset: str) -> None:
    """No job has it any more."""
    db.run(_FORGET, asset=asset)
