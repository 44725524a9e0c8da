"""Which images were accepted, and what an accepted one cost: all that its job spent, rejected images included."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from fractions import Fraction
from pathlib import Path

from ..storage.database import Database
from .ledger import By, Line

_SCHEMA = Path(__file__).with_name("acceptance.sql")
_PUT = """
INSERT INTO decisions (subject, job_id, images, accepted, at, who, reason) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (subject) DO UPDATE SET job_id = excluded.job_id, images = excluded.images, accepted = excluded.accepted,
    at = excluded.at, who = excluded.who, reason = excluded.reason
"""


@dataclass(frozen=True)
class Decision:
    """What was said of an image (``subject`` is its SHA-256) or of a whole job (``subject`` is the job)."""

    subject: str
    job_id: str
    images: int
    accepted: bool
    at: datetime
    who: str
    reason: str | None = None


@dataclass(frozen=True)
class Accepted:
    """A line of a report: images that were decided on, and what their jobs spent, in micro-dollars."""

    accepted: Fraction
    """Of a job with several models, each is given its part of the images."""
    rejected: Fraction
    microusd: int

    @property
    def each_microusd(self) -> int | None:
        """What an accepted image cost; None where none was."""
        return round(self.microusd / self.accepted) if self.accepted else None


class Decisions:
    """Kept in ``acceptance.sqlite3``, beside the ledger, which only knows money. The later word on a thing counts."""

    def __init__(self, folder: Path) -> None:
        self._db = Database(folder / "acceptance.sqlite3", _SCHEMA.read_text(encoding="utf-8"))

    def put(self, decision: Decision) -> None:
        """Write it down. A word on a whole job takes the place of those on its images, and the reverse."""
        its = decision
        whole = its.subject == its.job_id
        with self._db.transaction() as db:
            other = "subject != job_id" if whole else "subject = job_id"
            db.execute(f"DELETE FROM decisions WHERE job_id = ? AND {other}", (its.job_id,))  # noqa: S608
            at = its.at.astimezone(timezone.utc).isoformat(timespec="microseconds")
            db.execute(_PUT, (its.subject, its.job_id, its.images, int(its.accepted), at, its.who, its.reason))

    def every(self, *, since: date | None = None, until: date | None = None) -> list[Decision]:
        """Those made from a first to a last day, in UTC."""
        first, last = since.isoformat() if since else "", f"{until.isoformat()}U" if until else "U"
        rows = self._db.rows("SELECT * FROM decisions WHERE at >= ? AND at < ? ORDER BY at", first, last)
        return [
            Decision(
                row["subject"],
                row["job_id"],
                row["images"],
                bool(row["accepted"]),
                datetime.fromisoformat(row["at"]),
                row["who"],
                row["reason"],
            )
            for row in rows
        ]

    def close(self) -> None:
        """Give back the file."""
        self._db.close()


def accepted_by(by: By, decisions: Iterable[Decision], calls: Mapping[str, Sequence[Line]]) -> dict[str, Accepted]:
    """By what reports ask for; ``calls`` are those of each job that was decided on. Unknown calls count in full."""
    said: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for decision in decisions:
        said[decision.job_id][0 if decision.accepted else 1] += decision.images
    sums: dict[str, list[Fraction]] = defaultdict(lambda: [Fraction(0)] * 3)
    for job_id, (accepted, rejected) in said.items():
        its = [call for call in calls.get(job_id, ()) if call.kind != "released"]
        made = sum(_weight(call) for call in its)
        for call in its:
            part = Fraction(_weight(call), made)
            old = sums[_KEY[by](call)]
            sums[_KEY[by](call)] = [old[0] + part * accepted, old[1] + part * rejected, old[2] + call.microusd]
    return {key: Accepted(ok, no, int(cost)) for key, (ok, no, cost) in sums.items()}


def _weight(call: Line) -> int:
    return call.images or 1


_KEY: dict[By, Callable[[Line], str]] = {
    "day": lambda call: call.at.astimezone(timezone.utc).date().isoformat(),
    "project": lambda call: call.project,
    "user": lambda call: call.user,
    "api_key": lambda call: call.api_key or "",
    "workflow": lambda call: call.workflow or "",
    "provider": lambda call: call.provider,
    "model": lambda call: call.model,
}
