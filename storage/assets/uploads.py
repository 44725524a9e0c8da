"""Pictures that callers bring, to be worked on by their jobs: checked as they come, and each its owner's alone.

The id of an upload is ``upload:`` and its digest. Somebody else who knows the digest cannot use it: he has to have the
bytes and upload them himself. What comes with an order, or is fetched for it, is nobody's upload: it is that order's
own (:func:`of_order`) until the order is taken in, and its job's from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ...clock import Clock, utc_now
from ...errors import MintmarkError, NotAnImage
from ..base import Part, Session, Store
from .base import AssetStore, Incoming, is_digest
from .pictures import look

PREFIX = "upload:"
MOST_BYTES = 64 * 1024 * 1024
PART = Part("uploads", (Path(__file__).parent / "uploads.sql").read_text(encoding="utf-8"))

_ADD = (
    "INSERT INTO uploads (owner, digest, media_type, bytes, width, height, uploaded_at) VALUES (:owner, :digest,"
    " :media_type, :bytes, :width, :height, :uploaded_at)"
    " ON CONFLICT (owner, digest) DO UPDATE SET uploaded_at = excluded.uploaded_at"
)
_OWN = "SELECT * FROM uploads WHERE owner = :owner AND digest = :digest"
_ANY = "SELECT 1 AS found FROM uploads WHERE digest = :digest LIMIT 1"
_FORGET = "DELETE FROM uploads WHERE owner = :owner AND digest = :digest"
_OLD = "SELECT owner, digest FROM uploads WHERE uploaded_at < :before ORDER BY uploaded_at LIMIT :most"
_NEVER_ORDERED = "SELECT owner, digest FROM uploads WHERE uploaded_at < :before AND owner LIKE 'order:%' LIMIT :most"
_HAND_OVER = "DELETE FROM uploads WHERE owner = :owner RETURNING digest"
_ORDER = "order:"
ORDERED_WITHIN = timedelta(hours=1)
"""So long after its pictures came an order is taken in, or it never is."""


@dataclass(frozen=True)
class Upload:
    """A picture that somebody uploaded."""

    digest: str
    media_type: str
    bytes: int
    width: int
    height: int
    uploaded_at: str
    """When it last came, in UTC."""

    @property
    def id(self) -> str:
        """What a request names it by."""
        return f"{PREFIX}{self.digest}"


class Uploads:
    """Everybody's uploads. ``owner`` is whoever a caller is to us: the id of his key, "" without keys, or an order.

    ``refuse`` raises where a file of this digest is not taken. ``left`` is told, within the transaction, of a file that
    is nobody's upload any more, so that it is deleted where no job has it. All methods block: call them from a thread.
    """

    def __init__(
        self,
        store: Store,
        assets: AssetStore,
        *,
        max_pixels: int,
        most_bytes: int = MOST_BYTES,
        refuse: Callable[[str], None] = lambda _digest: None,
        left: Callable[[Session, str], None] = lambda _db, _digest: None,
        now: Clock = utc_now,
    ) -> None:
        self._refuse, self._left = refuse, left
        self._store, self._assets, self._now = store, assets, now
        self._max_pixels, self.most_bytes = max_pixels, most_bytes
        store.install(PART)

    def begin(self) -> Incoming:
        """A picture that comes in pieces: write them, then :meth:`keep` it; on leaving it is gone where it was not."""
        return self._assets.incoming(most_bytes=self.most_bytes)

    def keep(self, arrived: Incoming, owner: str) -> Upload:
        """All of it is here. Raises NotAnImage and ImageTooLarge, told by its own bytes; it is unpacked for that, so
        have few do so at once."""
        if not arrived.received:
            raise NotAnImage("The upload is empty.", hint="Send a PNG, JPEG or WebP picture.")
        seen = look(arrived.path(), max_pixels=self._max_pixels, whole=True)
        asset = arrived.keep()
        try:
            self._refuse(asset.digest)
        except MintmarkError:
            self._assets.delete(asset.digest)
            raise
        made = Upload(asset.digest, seen.media_type, asset.bytes, seen.width, seen.height, _stamp(self._now()))
        self._store.transact(lambda db: db.run(_ADD, owner=owner, **vars(made)))
        return made

    def add(self, data: bytes, owner: str) -> Upload:
        """:meth:`keep` of bytes that are here already. Raises RequestTooLarge, too."""
        with self.begin() as arriving:
            arriving.write(data)
            return self.keep(arriving, owner)

    def find(self, name: str, owner: str) -> Upload | None:
        """The owner's upload of this id or digest; None where he has none, be it somebody else's."""
        digest = name.removeprefix(PREFIX)
        if not is_digest(digest):
            return None
        rows = self._store.read(lambda db: db.run(_OWN, owner=owner, digest=digest))
        return _read(rows[0]) if rows and self._assets.exists(digest) else None

    def holds(self, digest: str) -> bool:
        """Whether anybody's upload has these bytes, so that they must stay."""
        return bool(self._store.read(lambda db: db.run(_ANY, digest=digest)))

    def forget(self, name: str, owner: str) -> bool:
        """The owner does not want it kept any more; whether there was one. Tells nothing of who else has it.

        The bytes are left to whoever knows what jobs still need: see :meth:`holds`.
        """
        digest = name.removeprefix(PREFIX)
        found = self.find(digest, owner) is not None

        def work(db: Session) -> None:
            db.run(_FORGET, owner=owner, digest=digest)
            self._leave(db, [digest])

        if found:
            self._store.transact(work)
        return found

    def forget_old(self, before: datetime | None, *, most: int = 1000) -> list[str]:
        """Forget uploads that last came before then (None: none of them), and what came with orders that were never
        taken in; the digests that nobody's upload has any more."""

        def work(db: Session) -> list[str]:
            rows = db.run(_NEVER_ORDERED, before=_stamp(self._now() - ORDERED_WITHIN), most=most)
            rows += [] if before is None else db.run(_OLD, before=_stamp(before), most=most)
            for row in rows:
                db.run(_FORGET, owner=row["owner"], digest=row["digest"])
            return self._leave(db, [str(row["digest"]) for row in rows])

        return self._store.transact(work)

    def hand_over(self, db: Session, owner: str) -> list[str]:
        """Within a transaction: what came for an order is its job's now, or nobody's; the digests that nobody's upload
        has any more."""
        return self._leave(db, [str(row["digest"]) for row in db.run(_HAND_OVER, owner=owner)])

    def drop(self, owner: str) -> list[str]:
        """:meth:`hand_over` in a transaction of its own."""
        return self._store.transact(lambda db: self.hand_over(db, owner))

    def _leave(self, db: Session, digests: Iterable[str]) -> list[str]:
        left = [each for each in dict.fromkeys(digests) if not db.run(_ANY, digest=each)]
        for each in left:
            self._left(db, each)
        return left


def of_order(job_id: str) -> str:
    """The owner of what came with an order, until it is taken in."""
    return f"{_ORDER}{job_id}"


def _read(row: Any) -> Upload:
    names = ("digest", "media_type", "bytes", "width", "height", "uploaded_at")
    return Upload(**{name: row[name] for name in names})


def _stamp(at: datetime) -> str:
    # Seconds are enough, and always as long, so that they sort.
    return at.isoformat(timespec="seconds")
