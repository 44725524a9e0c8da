"""Whether the audit log is what its checkpoints say: what no chain can show by itself. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from .audit import Break
from .checkpoints import Checkpoint

Kind = Literal["unknown_key", "forged", "other_log", "cut_off", "rewritten"]


@dataclass(frozen=True)
class Doubt:
    """What is wrong with a checkpoint, or, by it, with the log. ``seq``: the first bad row, where it is a row's."""

    kind: Kind
    seq: int | None
    why: str


def doubt(
    checkpoint: Checkpoint, *, chain: str | None, rows: int, hashes: Mapping[int, str], keys: Collection[str]
) -> Doubt | None:
    """What is wrong; None where checkpoint and log agree.

    The log is called ``chain`` (None: it never had a checkpoint), has so many rows, and ``hashes`` has those of the
    rows that checkpoints name. ``keys`` are those that are trusted.
    """
    named = f"The checkpoint of {checkpoint.at[:19].replace('T', ' ')} UTC"
    if not checkpoint.holds():
        return Doubt("forged", None, f"{named} is forged: its signature is not one of the key that it names.")
    if checkpoint.key not in keys:
        return Doubt("unknown_key", None, f"{named} is signed by a key that is not trusted here: {checkpoint.key}")
    if chain is not None and checkpoint.chain != chain:
        return Doubt("other_log", None, f"{named} is of another log ({checkpoint.chain}, this one is {chain}).")
    if rows < checkpoint.rows:
        missing = f"rows {rows + 1} to {checkpoint.rows} are" if rows + 1 < checkpoint.rows else f"row {rows + 1} is"
        return Doubt("cut_off", rows + 1, f"The tail was cut off: {missing} missing, which {_lower(named)} had.")
    if hashes.get(checkpoint.rows) != checkpoint.hash:
        seq = checkpoint.rows
        return Doubt("rewritten", seq, f"Row {seq} is another than when {_lower(named)} was made: it was rewritten.")
    return None


def doubts(
    checkpoints: Iterable[Checkpoint], *, chain: str | None, rows: int, hashes: Mapping[int, str], keys: Collection[str]
) -> list[Doubt]:
    """Of all of them, each once."""
    found = [doubt(each, chain=chain, rows=rows, hashes=hashes, keys=keys) for each in checkpoints]
    return list(dict.fromkeys(each for each in found if each is not None))


def first(broken: Break | None, found: Iterable[Doubt]) -> str:
    """The first thing that is wrong, in a sentence; empty where nothing is. A row that is not what it was comes before
    one that is missing at the end, and any row before a checkpoint that is none."""
    rows = [(each.seq, each.why) for each in found if each.seq is not None]
    rows += [] if broken is None else [(broken.seq, broken.why)]
    others = [each.why for each in found if each.seq is None]
    return min(rows)[1] if rows else next(iter(others), "")


def _lower(named: str) -> str:
    return named[0].lower() + named[1:]
