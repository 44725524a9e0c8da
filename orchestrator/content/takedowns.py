"""Takedowns: a file is not given any more, nor is what is the same or looks like it, whoever makes it again.

``withheld``: it is put aside, so that it can be given back. ``deleted``: it is gone for good. Either way its link
answers 410, its small picture and every copy of its job on workers and in caches are deleted, and no result is given
again that has it. What is enforced is written down first, so a process that dies leaves it to the next one, and each
service looks for what others took down.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol

from ...clock import Clock, utc_now
from ...errors import InvalidInput, MintmarkError, NotFound, OutputBlocked, TakenDown, UnknownAsset, WrongState
from ...metering.periods import stamp
from ...provenance import softbinding
from ...provenance.looks import Looks
from ...provenance.sameness import same
from ...storage.assets.base import is_digest
from ..access import audit
from ..jobs import laid
from .holds import PART, held, said

if TYPE_CHECKING:
    from ...storage.assets.base import AssetStore
    from ...storage.assets.thumbnails import Thumbnails
    from ...storage.base import Row, Session, Store
    from ..jobs.base import JobStore

Mode = Literal["withheld", "deleted"]
_ADD = """
INSERT INTO takedowns (takedown_id, asset, look, mode, reason, actor, at, content)
VALUES (:takedown_id, :asset, :look, :mode, :reason, :actor, :at, :content)
"""
_ALL = "SELECT * FROM takedowns ORDER BY at, takedown_id"
_ONE = "SELECT * FROM takedowns WHERE takedown_id = :takedown_id"
_OF = "SELECT * FROM takedowns WHERE asset = :asset AND undone_at IS NULL"
_NO_LOOK = "DELETE FROM looks WHERE asset = :asset"
_HOLDS = "UPDATE takedowns SET content = :content WHERE takedown_id = :takedown_id"
_UNDO = "UPDATE takedowns SET undone_at = :at WHERE takedown_id = :takedown_id"


@dataclass(frozen=True)
class Takedown:
    """``look`` is that of the file in hex where what looks like it is withheld, too; else "". ``content`` is what it
    holds beside its credential (provenance/sameness.py), by which it is known when it is made and signed again; "" of a
    file that nobody had."""

    takedown_id: str
    asset: str
    look: str
    mode: Mode
    reason: str
    actor: str
    at: str
    undone_at: str | None = None
    content: str = ""


class File(Protocol):
    """A file that a job is about to deliver."""

    @property
    def name(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def data(self) -> bytes: ...


class Takedowns:
    """``aside`` is where withheld files lie. All methods block."""

    def __init__(
        self,
        store: Store,
        jobs: JobStore,
        assets: AssetStore,
        thumbnails: Thumbnails,
        aside: AssetStore,
        *,
        max_pixels: int,
        now: Clock = utc_now,
    ) -> None:
        self._store, self._jobs, self._now, self._max_pixels = store, jobs, now, max_pixels
        self._assets, self._thumbnails, self._aside = assets, thumbnails, aside
        self._enforced: dict[str, str] = {}
        self._digests: frozenset[str] = frozenset()
        self._contents: frozenset[str] = frozenset()
        self._looks = Looks()
        self._lock = threading.Lock()
        store.install(PART)

    # -- acts ---------------------------------------------------------------------------------------------------------

    def take(self, asset: str, *, mode: Mode, by_look: bool, reason: str, actor: str) -> Takedown:
        """Take a file down. Where it is here no more, its digest alone is refused from now on.

        Raises InvalidInput, and WrongState where it was taken down before or, to be deleted, is under legal hold.
        """
        if not is_digest(asset):
            raise InvalidInput("A file is named by its SHA-256.", hint="64 lower-case hex digits.", field="sha256")
        self._bring(asset)
        look = self._look(asset) if by_look else ""
        if by_look and not look:
            raise InvalidInput(
                "What this looks like cannot be told: it is not here, or has no features.", hint="Leave the look out."
            )
        about = mode, said(reason), actor, stamp(self._now())
        made = Takedown(str(uuid.uuid4()), asset, look, *about, content=self._content(asset))
        jobs = self._jobs.having(asset)
        kept = self._store.read(lambda db: {job.job_id: why for job in jobs if (why := held(db, job))})
        if kept and mode == "deleted":
            why = f"It is of a job under legal hold: {next(iter(kept.values()))}."
            raise WrongState(why, hint="It can be withheld instead.")
        self._store.transact(lambda db: self._add(db, made))
        for job in jobs:
            self._jobs.forget_copies(job.job_id, cached_only=job.job_id in kept)
        self.refresh()
        return made

    def _bring(self, asset: str) -> None:
        """Have the file in its place where it is only kept with its job, as a service that was killed left it: what is
        withheld is forgotten there."""
        place = None if self._jobs.claims_together else self._assets.place
        data = self._store.read(lambda db: laid.found(db, place, asset))
        if data is not None:
            self._assets.restore(asset, data)

    def _add(self, db: Session, made: Takedown) -> None:
        db.alone("takedowns")
        if known := db.run(_OF, asset=made.asset):
            raise WrongState(f"It was taken down on {known[0]['at'][:10]} ({known[0]['takedown_id']}).")
        db.run(_ADD, **{name: value for name, value in vars(made).items() if name != "undone_at"})
        laid.forget(db, made.asset)
        if made.mode == "deleted":
            db.run(_NO_LOOK, asset=made.asset)
        told = {"sha256": made.asset, "by_look": bool(made.look), "mode": made.mode, "reason": made.reason}
        audit.chain(db, [audit.fact(self._now(), made.actor, "takedown", made.takedown_id, told)])

    def undo(self, takedown_id: str, *, actor: str) -> Takedown:
        """Give a withheld file back. Raises NotFound, and WrongState where it was deleted or is given back already."""

        def work(db: Session) -> Takedown:
            rows = db.run(_ONE + db.for_update, takedown_id=takedown_id)
            if not rows:
                raise NotFound(f"There is no takedown {takedown_id}.", hint="mintmark takedown list")
            its = _takedown(rows[0])
            if its.undone_at is not None:
                raise WrongState(f"The takedown {takedown_id} was undone on {its.undone_at[:10]}.")
            if its.mode == "deleted":
                raise WrongState("The file was deleted, and is not to be had again.", hint="What is withheld is.")
            db.run(_UNDO, takedown_id=takedown_id, at=stamp(self._now()))
            audit.chain(db, [audit.fact(self._now(), actor, "takedown.undone", takedown_id, {"sha256": its.asset})])
            return its

        its = self._store.transact(work)
        self.refresh()
        return its

    def all(self) -> list[Takedown]:
        """Every one of them, those that were undone too."""
        return self._store.read(lambda db: [_takedown(row) for row in db.run(_ALL)])

    # -- enforcing ----------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """See to it that what is to be gone is gone here, and what was given back is back; call it now and then."""
        with self._lock:
            found = [self._seen_to(its) for its in self.all()]
            active = [its for its in found if its.undone_at is None]
            self._digests = frozenset(its.asset for its in active)
            self._contents = frozenset(its.content for its in active if its.content)
            self._looks = Looks()
            self._looks.add((its.takedown_id, bytes.fromhex(its.look)) for its in active if its.look)

    def _seen_to(self, its: Takedown) -> Takedown:
        """It, enforced here. One that is not known by what it holds yet, as nobody who had the file took it down, is so
        from here on where the file is."""
        wanted = "undone" if its.undone_at is not None else its.mode
        if self._enforced.get(its.takedown_id) == wanted:
            return its
        content = its.content or self._content(its.asset)
        if content != its.content:
            self._store.transact(lambda db: db.run(_HOLDS, takedown_id=its.takedown_id, content=content))
        self._enforce(its)
        self._enforced[its.takedown_id] = wanted
        return replace(its, content=content)

    def _enforce(self, its: Takedown) -> None:
        """Harmless to repeat. A file is where it is to be before it is gone from where it was."""
        if its.undone_at is not None:
            _move(its.asset, self._aside, self._assets)
            return
        self._thumbnails.delete(its.asset)
        if its.mode == "withheld":
            _move(its.asset, self._assets, self._aside)
        else:
            self._assets.delete(its.asset)
            self._aside.delete(its.asset)

    def forget(self, asset: str) -> None:
        """No job has it any more: what was put aside is deleted, too."""
        self._aside.delete(asset)

    # -- who asks -----------------------------------------------------------------------------------------------------

    def is_taken(self, asset: str) -> bool:
        """Whether this file was taken down."""
        return bool(self._store.read(lambda db: db.run(_OF, asset=asset)))

    def refuse(self, asset: str) -> None:
        """Raises TakenDown where it was."""
        if self.is_taken(asset):
            raise TakenDown("The file was taken down.", hint="Whoever runs the service knows why.")

    def bar(self) -> Callable[[Iterable[File]], None] | None:
        """What files are to be shown to before they are delivered: raises OutputBlocked. None where nothing is taken
        down, so that nobody waits for it."""
        return self._check if self._digests else None

    def _check(self, files: Iterable[File]) -> None:
        for file in files:
            if file.sha256 in self._digests or self._is_same(file.data):
                raise OutputBlocked(f"{file.name} was taken down.", hint="The same file is not delivered again.")
            if len(self._looks) and (found := self._looks.like(self._guesses(file.data), most=1)):
                raise OutputBlocked(
                    f"{file.name} looks like a file that was taken down ({found[0].name}).",
                    hint="Whoever runs the service may undo that: mintmark takedown undo",
                )

    def _is_same(self, data: bytes) -> bool:
        return bool(self._contents) and same(data, max_pixels=self._max_pixels) in self._contents

    def _content(self, asset: str) -> str:
        """What the file holds, wherever it is; "" where it is not here."""
        for place in (self._assets, self._aside):
            try:
                return same(place.read(asset), max_pixels=self._max_pixels)
            except UnknownAsset:
                continue
        return ""

    def _guesses(self, data: bytes) -> list[bytes]:
        try:
            return softbinding.guesses(data, max_pixels=self._max_pixels)
        except MintmarkError:
            return []  # no picture: by its digest and what it holds alone

    def _look(self, asset: str) -> str:
        try:
            found = softbinding.look(self._assets.read(asset), max_pixels=self._max_pixels)
        except MintmarkError:
            return ""
        return "" if found is None else found.hex()


def _move(asset: str, source: AssetStore, target: AssetStore) -> None:
    try:
        data, kind = source.read(asset), source.get(asset).media_type
    except UnknownAsset:
        return  # it was moved before, or is gone
    target.put(data, kind)
    source.delete(asset)


def _takedown(row: Row) -> Takedown:
    return Takedown(**{name: row[name] for name in Takedown.__dataclass_fields__})
