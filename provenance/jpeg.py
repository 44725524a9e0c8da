"""JPEG segments: EXIF in and out, and everything that could hold words out, without touching a pixel. Pure."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from ..errors import NotAnImage

_EXIF = b"Exif\0\0"
_SCAN, _END = 0xDA, 0xD9
_APP0, _APP1, _APP2, _APP11, _APP14, _COMMENT = 0xE0, 0xE1, 0xE2, 0xEB, 0xEE, 0xFE
_WORDLESS = {_APP0: b"JFIF\0", _APP2: b"ICC_PROFILE\0", _APP11: b"JP", _APP14: b"Adobe"}
"""How the application segments begin that a picture is shown by, or that hold a credential. All others go with words:
programs keep prompts, and small or second pictures, under any of the numbers."""
_MARKER = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])")  # within pixels, FF is followed by 00 or a restart
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a length

MOST_EXIF = 0xFFFF - 2 - len(_EXIF)
"""Bytes of the largest EXIF block that one segment holds; there is no second one."""


class _Segment(NamedTuple):
    marker: int
    data: bytes
    whole: bytes


def exif_of(jpeg: bytes) -> bytes | None:
    """The EXIF block, or None. Raises :class:`NotAnImage` for what is no JPEG."""
    return next((each.data[len(_EXIF) :] for each in _split(jpeg)[0] if _is_exif(each)), None)


def with_exif(jpeg: bytes, block: bytes | None) -> bytes:
    """The JPEG with this block in place of its own, or without one. ``block`` is at most :data:`MOST_EXIF` long."""
    segments, rest = _split(jpeg)
    kept = [each for each in segments if not _is_exif(each)]
    if block is None:
        return _joined(kept, rest)
    data = _EXIF + block
    whole = struct.pack(">BBH", 0xFF, _APP1, len(data) + 2) + data
    # After the JFIF segment, which has to be the first.
    first = next((place for place, each in enumerate(kept) if each.marker != _APP0), len(kept))
    return _joined([*kept[:first], _Segment(_APP1, data, whole), *kept[first:]], rest)


def without_words(jpeg: bytes) -> bytes:
    """Without EXIF, XMP, IPTC, comments and what follows the picture; colour profiles stay. One that has none of it
    comes back as it is."""
    segments, rest = _split(jpeg)
    return _joined([each for each in segments if not _is_wordy(each.marker, each.data)], _wordless(rest))


def without_credential(jpeg: bytes) -> bytes:
    """Without the segments that a credential is kept in."""
    segments, rest = _split(jpeg)
    return _joined([each for each in segments if each.marker != _APP11], rest)


def boxes(jpeg: bytes) -> bytes:
    """The JUMBF boxes of the application segments 11, each in one piece: one that is larger than a segment is cut up,
    and every piece but the first begins with the box's head again. Raises :class:`NotAnImage`."""
    found: dict[bytes, list[bytes]] = {}
    for segment in _split(jpeg)[0]:
        if segment.marker == _APP11 and segment.data.startswith(b"JP"):
            pieces = found.setdefault(segment.data[2:4], [])
            pieces.append(segment.data[16 if pieces else 8 :])
    return b"".join(b"".join(pieces) for pieces in found.values())


def _joined(segments: list[_Segment], rest: bytes) -> bytes:
    return b"".join([b"\xff\xd8", *(each.whole for each in segments), rest])


def _is_exif(segment: _Segment) -> bool:
    return segment.marker == _APP1 and segment.data.startswith(_EXIF)


def _is_wordy(marker: int, data: bytes) -> bool:
    if not _APP0 <= marker <= 0xEF:
        return marker == _COMMENT
    return marker not in _WORDLESS or not data.startswith(_WORDLESS[marker])


def _wordless(rest: bytes) -> bytes:
    """The scans up to the picture's end, without comments between them."""
    kept: list[bytes] = []
    start = place = 0
    while found := _MARKER.search(rest, place):
        marker, end = found[1][0], found.end()
        if marker == _END:
            return b"".join([*kept, rest[start:end]])
        place = end + max(2, int.from_bytes(rest[end : end + 2], "big"))
        if _is_wordy(marker, rest[end + 2 : place]):
            kept.append(rest[start : found.start()])
            start = place
    return b"".join([*kept, rest[start:]])


def _split(jpeg: bytes) -> tuple[list[_Segment], bytes]:
    """The segments before the pixels, and all from there on."""
    if jpeg[:3] != b"\xff\xd8\xff":
        raise NotAnImage("The bytes are no JPEG.")
    segments = list(_segments(jpeg))
    return segments, jpeg[2 + sum(len(each.whole) for each in segments) :]


def _segments(jpeg: bytes) -> Iterator[_Segment]:
    place = 2
    while place + 4 <= len(jpeg) and jpeg[place] == 0xFF:
        start = place
        while jpeg[place + 1 : place + 2] == b"\xff":  # markers may be padded
            place += 1
        marker = jpeg[place + 1] if place + 1 < len(jpeg) else _END
        if marker in (_SCAN, _END) or marker in _ALONE:
            return
        length = int.from_bytes(jpeg[place + 2 : place + 4], "big")
        end = place + 2 + length
        if length < 2 or end > len(jpeg):
            raise NotAnImage(f"The JPEG is broken at byte {place}.")
        yield _Segment(marker, jpeg[place + 4 : end], jpeg[start:end])
        place = end
    if place + 2 > len(jpeg) or jpeg[place] != 0xFF:
        raise NotAnImage(f"The JPEG is broken at byte {place}.")
