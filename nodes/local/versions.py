"""Which weights a checkpoint is, in a few characters, without reading all of it.

A small file is known by its whole digest. Of a large one that would take as long as making the image, so it is known by
its header, its size and pages from all over it: two models of the same shape have the same header, and other numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from .recipe import Checkpoint

WHOLE = 64 * 1024 * 1024
"""Bytes up to which a file is read as a whole."""
PAGES, PAGE = 64, 64 * 1024
_LENGTH = 16
"""Hexadecimal digits that are told."""


def version_of(checkpoint: Checkpoint) -> str:
    """``sha256:…`` of a file as a whole, or ``sampled:…``; of a folder that of all its files. The same weights have the
    same one, wherever they lie. Reads a few megabytes, once."""
    return _version(checkpoint.path, checkpoint.stamp, checkpoint.size)


def file_version(path: str) -> str:
    """The same of one file or folder that is added to a checkpoint."""
    return _version(path, changed_ns(Path(path)), 0)


def changed_ns(path: Path) -> int:
    """When this file, or the newest in this folder, was changed, in nanoseconds; 0 where there is none."""
    try:
        every = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
        return max((each.stat().st_mtime_ns for each in every), default=0)
    except OSError:  # gone meanwhile: whoever opens it says so
        return 0


@lru_cache(maxsize=256)
def _version(path: str, stamp: int, size: int) -> str:
    place = Path(path)
    if place.is_file():
        return ":".join(_digest(place))
    kinds, digest = set(), hashlib.sha256()
    for file in _files(place):
        kind, its = _digest(file)
        kinds.add(kind)
        digest.update(f"{file.relative_to(place).as_posix()} {kind}:{its}\n".encode())
    return f"{'sampled' if 'sampled' in kinds else 'sha256'}:{digest.hexdigest()[:_LENGTH]}"


def _files(folder: Path) -> Iterator[Path]:
    """What says what the model is; pictures and words beside it do not."""
    yield from sorted(each for each in folder.rglob("*") if each.suffix in (".safetensors", ".json") and each.is_file())


def _digest(path: Path) -> tuple[str, str]:
    size = path.stat().st_size
    digest = hashlib.sha256()
    with path.open("rb") as file:
        if size <= WHOLE:
            digest.update(file.read())
            return "sha256", digest.hexdigest()[:_LENGTH]
        # The header of a safetensors file begins with its own length, and is within the first pages.
        digest.update(size.to_bytes(8, "little"))
        for page in range(PAGES):
            file.seek(page * (size - PAGE) // (PAGES - 1))
            digest.update(file.read(PAGE))
    return "sampled", digest.hexdigest()[:_LENGTH]
