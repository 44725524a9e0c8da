"""A look through the whole audit log, with the checkpoints that are known of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...metering.periods import stamp
from ...workflows.digest import canonical
from . import audit, checkpointing
from .audit_checks import Doubt, doubts, first

if TYPE_CHECKING:
    from ...storage.base import Row
    from .checkpoints import Checkpoint


@dataclass(frozen=True)
class Report:
    """What was found. ``why`` is the first thing that is wrong, in a sentence; empty where nothing is."""

    rows: int
    hash: str
    broken: audit.Break | None
    doubts: Sequence[Doubt]
    checkpoints: int
    """How many were compared."""

    @property
    def why(self) -> str:
        return first(self.broken, self.doubts)

    @property
    def seq(self) -> int | None:
        """The first bad row, where it is a row that is bad."""
        rows = [each.seq for each in self.doubts if each.seq is not None]
        return min(rows + ([] if self.broken is None else [self.broken.seq]), default=None)

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "whole": not self.why,
            "rows": self.rows,
            "hash": self.hash,
            "checkpoints": self.checkpoints,
            "broken": None if not self.why else {"seq": self.seq, "why": self.why},
            "doubts": [vars(each) for each in self.doubts],
        }


def report(rows: Iterable[Row], checkpoints: Sequence[Checkpoint], keys: Iterable[str]) -> Report:
    """Compare the rows, from the first one on, with each other and with the checkpoints; ``keys`` are trusted."""
    seen = audit.look_through(rows, {each.rows for each in checkpoints})
    chain = next((str(each["chain"]) for each in seen.keys if "chain" in each), None)
    trusted = checkpointing.trusted(seen.keys, keys)
    found = doubts(checkpoints, chain=chain, rows=seen.rows, hashes=seen.hashes, keys=trusted)
    return Report(seen.rows, seen.hash, seen.broken, found, len(set(checkpoints)))


def document(entry: audit.Entry) -> dict[str, Any]:
    """A row as it is exported."""
    return {**vars(entry), "at": stamp(entry.at)}


def exported(lines: Iterable[dict[str, Any]]) -> Iterator[Row]:
    """Rows out of their :func:`document`, as the database has them."""
    for line in lines:
        yield {**line, "data": canonical(line["data"]).decode()}
