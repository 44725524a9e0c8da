"""Which kinds of files hold a credential in themselves, and where that of the others is kept. Pure.

Each kind of ``EMBEDS`` was tried: c2pa's own reader finds the credential whole, and what is seen or heard is the same
to the byte before and after. C2PA's library takes a few more (PDF, office documents, e-books), which it rebuilds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

EMBEDS = frozenset(
    {
        *("image/png", "image/jpeg", "image/webp", "image/avif", "image/heic", "image/heif", "image/gif"),
        *("image/tiff", "image/jxl", "image/svg+xml"),
        *("video/mp4", "video/quicktime", "video/x-m4v", "video/x-msvideo"),
        *("audio/wav", "audio/mpeg", "audio/flac", "audio/mp4"),
    }
)
"""Media types whose files take a credential in."""

SIDECAR = "application/c2pa"
"""The media type of a credential that stands beside its file."""
ENDING = ".c2pa"


def sidecars(file: Path) -> Iterator[Path]:
    """Where the credential beside a file may be, the surest place first: ``clip.webm.c2pa``, then ``clip.c2pa``, which
    other tools write, and which may be that of another file of this name."""
    yield file.with_name(file.name + ENDING)
    if file.suffix and file.suffix != ENDING:
        yield file.with_suffix(ENDING)
