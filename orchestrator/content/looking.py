"""What the files that jobs made look like: noted beside the jobs, never while one waits; and found again by a copy.

Looks are made of what is new among the job store's events, by one thread, later; so a job pays nothing for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ... import log
from ...errors import MintmarkError
from ...provenance import softbinding
from ..execution.kinds import JUDGED
from ..jobs import reading
from .holds import PART

if TYPE_CHECKING:
    from ...provenance.looks import Like, Looks
    from ...storage.base import Session, Store
    from ..jobs.base import JobStore
    from ..jobs.job import Job, Made

logger = log.get("orchestrator.content")

Rest = Callable[[float], bool]
"""Told after each look how many seconds it took; whether to go on with the next, after a pause as it likes."""

OVERLAP = 200
"""So many events before the last one are looked at again: one with a lower number may be committed later."""
PAGE = 500
_READ = "SELECT event FROM looks_read"
_SET_READ = "UPDATE looks_read SET event = :event WHERE event < :event"
_KNOWN = "SELECT 1 FROM looks WHERE asset = :asset"
_ADD = "INSERT INTO looks (asset, job_id, look) VALUES (:asset, :job_id, :look) ON CONFLICT (asset) DO NOTHING"
_NEW = "SELECT seq, asset, look FROM looks WHERE seq > :after ORDER BY seq LIMIT 20000"
_JOB = "SELECT job_id FROM looks WHERE asset = :asset"


@dataclass(frozen=True)
class Alike:
    """A file that a job made and that looks like what was asked for; in so many bits the looks differ."""

    job: Job
    made: Made
    bits: int

    @property
    def signed_at(self) -> datetime | None:
        return self.job.ended_at

    def words(self) -> str:
        """It in a sentence."""
        its, seen = self.job.ordered, self.made.credential or {}
        when = f" on {self.signed_at:%Y-%m-%d}" if self.signed_at else ""
        by = f" by {seen['issuer']}" if seen.get("issuer") else ""
        said = f"signed{when}{by}" if seen.get("state") in ("trusted", "valid") else f"made{when}"
        what = f"image {self.made.index} of job {self.job.job_id} ({its.workflow}@{its.version}, project {its.project})"
        return f"It looks like {what}, {said}; {self.bits} of {softbinding.BITS} bits differ."

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        seen = self.made.credential or {}
        return {
            "job_id": self.job.job_id,
            "index": self.made.index,
            "sha256": self.made.asset,
            "workflow": f"{self.job.ordered.workflow}@{self.job.ordered.version}",
            "signed_at": self.signed_at.isoformat() if self.signed_at else None,
            "issuer": seen.get("issuer"),
            "bits": self.bits,
            "words": self.words(),
        }


class Lookbook:
    """``read`` gives a file's bytes by its digest. All methods block."""

    def __init__(self, store: Store, jobs: JobStore, read: Callable[[str], bytes], *, max_pixels: int) -> None:
        self._store, self._jobs, self._read, self._max_pixels = store, jobs, read, max_pixels
        self._looks: Looks | None = None
        self._seen, self._last = 0, -1
        self._lock = threading.Lock()
        store.install(PART)

    # -- noting -------------------------------------------------------------------------------------------------------

    def note(self, rest: Rest = lambda worked_s: True) -> int:
        """Note the looks of what jobs made since; of how many files. What ``rest`` does not go on to is for the next
        time."""
        if (last := self._store.read(reading.last_event)) == self._last:
            return 0
        noted, after = 0, max(0, self._store.read(_read_up_to) - OVERLAP)
        while ended := self._store.read(lambda db, after=after: reading.ended_well(db, after, PAGE)):  # type: ignore[misc]
            after = ended[-1][0]
            more = self._note([job for _, job in ended], after, rest)
            if more is None:
                return noted
            noted += more
        self._last = last
        return noted

    def _note(self, jobs: Sequence[Job], after: int, rest: Rest) -> int | None:
        """Note what these jobs made, and that everything up to this event was looked at: one commit, however many. None
        where not all of it was looked at, and then nothing is noted."""
        made = {each.asset: job.job_id for job in jobs for each in job.outputs if each.media_type in JUDGED}
        known = self._store.read(lambda db: [asset for asset in made if db.run(_KNOWN, asset=asset)])
        found: dict[str, str | None] = {}
        for asset in made.keys() - set(known):
            began = time.perf_counter()
            found[asset] = self._looked(asset)
            if not rest(time.perf_counter() - began):
                return None

        def write(db: Session) -> None:
            for asset, look in found.items():
                if look is not None:
                    db.run(_ADD, asset=asset, job_id=made[asset], look=look)
            db.run(_SET_READ, event=after)

        self._store.transact(write)
        return sum(bool(look) for look in found.values())

    def _looked(self, asset: str) -> str | None:
        """The look of a kept file; None for what was purged or taken down since, or cannot be unpacked."""
        try:
            return self.look(self._read(asset))
        except MintmarkError as exc:
            logger.info("%s has no look: %s", asset[:12], exc, extra=log.action("look_failed"))
            return None

    def look(self, data: bytes) -> str:
        """The look of a file as it is kept; "" where it has none. Raises NotAnImage and ImageTooLarge."""
        found = softbinding.look(data, max_pixels=self._max_pixels)
        return "" if found is None else found.hex()

    # -- finding ------------------------------------------------------------------------------------------------------

    def find(self, data: bytes, *, most: int = 5) -> list[Alike]:
        """The files of which this may be a copy, the likest first. Raises NotAnImage and ImageTooLarge."""
        asked = softbinding.guesses(data, max_pixels=self._max_pixels)
        with self._lock:
            likes = self._up_to_date().like(asked, most=4 * most) if asked else []
        found = (self._alike(each) for each in likes)
        return [each for each in found if each is not None][:most]

    def _up_to_date(self) -> Looks:
        from ...provenance.looks import Looks

        if self._looks is None:
            self._looks = Looks()
        while rows := self._store.read(lambda db: db.run(_NEW, after=self._seen)):
            self._looks.add((row["asset"], bytes.fromhex(row["look"])) for row in rows if row["look"])
            self._seen = int(rows[-1]["seq"])
        return self._looks

    def _alike(self, like: Like) -> Alike | None:
        """None where it was purged since: what is in memory is not told of it."""
        rows = self._store.read(lambda db: db.run(_JOB, asset=like.name))
        job = self._jobs.get(rows[0]["job_id"]) if rows else None
        made = next((each for each in job.outputs if each.asset == like.name), None) if job else None
        return Alike(job, made, like.bits) if job is not None and made is not None else None


def _read_up_to(db: Session) -> int:
    return int(db.run(_READ)[0]["event"])
