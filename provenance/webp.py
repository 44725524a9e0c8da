"""WebP chunks: EXIF in and out, and everything that could hold words out, without touching a pixel. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from ..errors import NotAnImage

_EXTENDED, _LOSSY, _LOSSLESS = b"VP8X", b"VP8 ", b"VP8L"
_EXIF, _XMP, _CREDENTIAL = b"EXIF", b"XMP ", b"C2PA"
_HAS_EXIF, _HAS_XMP, _HAS_ALPHA = 0x08, 0x04, 0x10  # flags of the extended header
_PIXELS = frozenset({_LOSSY, _LOSSLESS, b"ALPH", b"ANIM", b"ANMF"})
_WORDLESS = _PIXELS | {_EXTENDED, b"ICCP", _CREDENTIAL}


class _Chunk(NamedTuple):
    kind: bytes
    data: bytes


def exif_of(webp: bytes) -> bytes | None:
    """The EXIF block, or None. Raises :class:`NotAnImage` for what is no WebP."""
    found = next((each.data for each in _chunks(webp) if each.kind == _EXIF), None)
    # Some writers put JPEG's own mark before the block.
    return found[6:] if found is not None and found.startswith(b"Exif\0\0") else found


def with_exif(webp: bytes, block: bytes | None) -> bytes:
    """The WebP with this block in place of its own, or without one."""
    chunks = [each for each in _chunks(webp) if each.kind != _EXIF]
    if block is not None:
        after = max(place for place, each in enumerate(chunks) if each.kind in _PIXELS) + 1
        chunks = [*chunks[:after], _Chunk(_EXIF, block), *chunks[after:]]
    return _joined(chunks)


def without_words(webp: bytes) -> bytes:
    """Without EXIF, XMP, chunks of other programs and what follows the picture; colour profiles stay. One that has
    none of it comes back as it is."""
    chunks = _chunks(webp)
    kept = [each for each in chunks if each.kind in _WORDLESS]
    whole = len(kept) == len(chunks) and len(webp) <= 8 + int.from_bytes(webp[4:8], "little")
    return webp if whole else _joined(kept)


def without_credential(webp: bytes) -> bytes:
    """Without the chunk that a credential is kept in."""
    return _joined([each for each in _chunks(webp) if each.kind != _CREDENTIAL])


def _joined(chunks: list[_Chunk]) -> bytes:
    body = b"WEBP" + b"".join(_told(each) for each in _with_header(chunks))
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _told(chunk: _Chunk) -> bytes:
    return chunk.kind + struct.pack("<I", len(chunk.data)) + chunk.data + b"\0" * (len(chunk.data) % 2)


def _with_header(chunks: list[_Chunk]) -> list[_Chunk]:
    """With an extended header that says what there is; a plain file without extras needs none."""
    kinds = {each.kind for each in chunks}
    header = next((each.data for each in chunks if each.kind == _EXTENDED), None)
    if header is None and not kinds & {_EXIF, _XMP}:
        return chunks
    header = bytes(header or _extended(chunks[0]))
    flags = int(header[0]) & ~(_HAS_EXIF | _HAS_XMP)
    flags |= (_HAS_EXIF if _EXIF in kinds else 0) | (_HAS_XMP if _XMP in kinds else 0)
    return [_Chunk(_EXTENDED, bytes([flags]) + header[1:]), *(each for each in chunks if each.kind != _EXTENDED)]


def _extended(picture: _Chunk) -> bytes:
    """The extended header of a plain file: its flags and its size."""
    if picture.kind == _LOSSY and picture.data[3:6] == b"\x9d\x01\x2a":
        width, height = (int(side) & 0x3FFF for side in struct.unpack_from("<HH", picture.data, 6))
        flags = 0
    elif picture.kind == _LOSSLESS and len(picture.data) >= 5:
        bits = int.from_bytes(picture.data[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        flags = _HAS_ALPHA if bits >> 28 & 1 else 0
    else:
        raise NotAnImage("The WebP does not begin with a picture.")
    return bytes([flags, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def _chunks(webp: bytes) -> list[_Chunk]:
    if webp[:4] != b"RIFF" or webp[8:12] != b"WEBP":
        raise NotAnImage("The bytes are no WebP.")
    found = list(_walk(webp, min(len(webp), 8 + int.from_bytes(webp[4:8], "little"))))
    if not any(each.kind in _PIXELS for each in found):
        raise NotAnImage("The WebP holds no pixels.")
    return found


def _walk(webp: bytes, end: int) -> Iterator[_Chunk]:
    place = 12
    while place + 8 <= end:
        size = int.from_bytes(webp[place + 4 : place + 8], "little")
        if place + 8 + size > end:
            raise NotAnImage(f"The WebP is broken at byte {place}.")
        yield _Chunk(webp[place : place + 4], webp[place + 8 : place + 8 + size])
        place += 8 + size + size % 2
