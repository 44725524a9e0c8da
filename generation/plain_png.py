"""The size of a plain PNG without an image library, which takes fifty times as long. Pure."""

from __future__ import annotations

import struct
import zlib

_START = b"\x89PNG\r\n\x1a\n"
_KINDS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""The depths of each kind of colour, by the standard."""
_PLAIN = frozenset({b"PLTE", b"tRNS", b"gAMA", b"sRGB", b"pHYs", b"tEXt"})
"""Chunks before the pixels about which there is nothing more to know. A library is asked about any other, and about an
animation."""
_MOST = 32
"""Chunks that are looked at."""


def plain_png(data: bytes) -> tuple[int, int] | None:
    """Width and height; None for whatever is not surely a whole header of a plain PNG."""
    if not data.startswith(_START) or (size := _size(data)) is None:
        return None
    place = 33
    for _ in range(_MOST):
        length, kind = struct.unpack_from(">I4s", data, place) if place + 12 <= len(data) else (0, b"")
        if kind == b"IDAT":
            return size
        if kind not in _PLAIN or not _is_sound(data, place, length):
            return None
        place += length + 12
    return None


def _size(data: bytes) -> tuple[int, int] | None:
    if len(data) < 33 or data[8:16] != b"\0\0\0\rIHDR" or not _is_sound(data, 8, 13):
        return None
    width, height, depth, colours, packing, filtering, interlace = struct.unpack_from(">IIBBBBB", data, 16)
    known = depth in _KINDS.get(colours, ()) and (packing, filtering) == (0, 0) and interlace in (0, 1)
    return (width, height) if known and 0 < width < 2**31 and 0 < height < 2**31 else None


def _is_sound(data: bytes, place: int, length: int) -> bool:
    """Whether the chunk is whole and as it was written."""
    end = place + 8 + length
    if end + 4 > len(data):
        return False
    return zlib.crc32(data[place + 4 : end]) == int.from_bytes(data[end : end + 4], "big")
