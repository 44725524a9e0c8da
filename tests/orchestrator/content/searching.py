"""Looking for content in every byte that a service has: its files, its logs, and all rows of its database."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def fingerprints(data: bytes, *, length: int = 24) -> list[bytes]:
    """Pieces of a file by which it is known, from all over it; not from its first bytes, which many files share."""
    step = max(length, (len(data) - 200) // 40)
    return [data[at : at + length] for at in range(200, len(data) - length, step)]


def found_in(folder: Path, marks: Iterable[bytes]) -> dict[str, list[bytes]]:
    """The files below the folder that have any of the marks, with those they have."""
    wanted = list(marks)
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            if hits := [mark for mark in wanted if mark in data]:
                found[str(path.relative_to(folder))] = hits
    return found
