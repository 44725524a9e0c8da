"""The boxes of files that are made of them (ISO 14496-12, section 4.2): MP4, MOV, AVIF, HEIC, JPEG XL. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple


class Box(NamedTuple):
    """Where one lies: its head from ``start``, what is in it from ``body`` to ``stop``, in bytes."""

    kind: bytes
    start: int
    body: int
    stop: int


def walk(data: bytes, place: int, end: int) -> Iterator[Box]:
    """Those from here on, one after the other; what is broken ends them."""
    while place + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, place)
        body = place + 8
        if length == 1 and place + 16 <= end:
            (length,), body = struct.unpack_from(">Q", data, place + 8), place + 16
        stop = end if length == 0 else place + length
        if not body <= stop <= end:
            return
        yield Box(kind, place, body, stop)
        place = stop
