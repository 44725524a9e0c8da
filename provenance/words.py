"""Files without the graph that a save node wrote into them, where policy keeps prompts out of files. Pure.

ComfyUI's nodes write graph and workflow as JSON into whatever they save: text chunks, EXIF, the metadata of films and
sounds. Pictures are rewritten without (:mod:`texts`); in containers whose parts are found by their offsets the place is
kept and its content blanked, so that no offset changes and nothing is encoded anew. What cannot be freed of a graph
that is in it is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ..errors import NotAnImage
from . import avif
from .sniffing import after_tag
from .texts import JPEG, PNG, WEBP, bare

_MARKS = tuple(
    word.encode(code) for word in ("class_type", "widgets_values") for code in ("ascii", "utf-16-le", "utf-16-be")
)
"""One of these is in every graph (``class_type``) and every workflow (``widgets_values``)."""
_WORDY_BOXES = frozenset({b"udta", b"meta", b"uuid"})
_TAGS, _VOID = b"\x12\x54\xc3\x67", b"\xec"
_FLAC_COMMENT, _FLAC_PADDING = 4, 1


def holds_graph(data: bytes) -> bool:
    """Whether a graph can be read in the file as it stands."""
    return any(mark in data for mark in _MARKS)


def without_graph(data: bytes, media_type: str) -> bytes | None:
    """The file without a graph; itself where it has none, None where it cannot be freed of one.

    Raises :class:`NotAnImage` for a broken picture.
    """
    if media_type in (PNG, JPEG, WEBP):
        # Some of their texts are compressed, so nothing is looked for.
        return bare(data, media_type)
    if not holds_graph(data):
        return data
    try:
        freed = _freed(data)
    except (IndexError, struct.error, NotAnImage):
        return None
    return None if holds_graph(freed) else freed


def _freed(data: bytes) -> bytes:
    if avif.is_avif(data):
        return avif.without_words(data)
    if data[4:8] == b"ftyp":
        return _blanked(data, _wordy_boxes(data, 0, len(data)), b"free")
    if data.startswith(b"\x1a\x45\xdf\xa3"):
        return _without_tags(data)
    if data.startswith(b"fLaC"):
        return _without_comments(data)
    return data[after_tag(data) :] if data.startswith(b"ID3") else data


def _wordy_boxes(data: bytes, place: int, end: int) -> Iterator[tuple[int, int]]:
    """Start and end of each box that may hold words, in a film and in its tracks; a still's own ``meta`` is its map."""
    while place + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, place)
        head = 8
        if length == 1:
            (length,), head = struct.unpack_from(">Q", data, place + 8), 16
        stop = end if length == 0 else place + length
        if stop > end or stop < place + head:
            raise NotAnImage(f"The file is broken at byte {place}.")
        if kind in (b"moov", b"trak"):
            yield from _wordy_boxes(data, place + head, stop)
        elif kind in _WORDY_BOXES and not (kind == b"meta" and data[8:12] in (b"heic", b"heix", b"mif1")):
            yield place, stop
        place = stop


def _blanked(data: bytes, boxes: Iterator[tuple[int, int]], kind: bytes) -> bytes:
    changed = bytearray(data)
    for start, stop in boxes:
        changed[start + 4 : start + 8] = kind
        # A length of 64 bits stands where the content of others begins.
        first = start + (16 if data[start : start + 4] == b"\0\0\0\x01" else 8)
        changed[first:stop] = bytes(stop - first)
    return bytes(changed)


def _without_tags(data: bytes) -> bytes:
    """A Matroska or WebM file whose elements of tags are void, which is an element like any other."""
    changed = bytearray(data)
    place = data.find(_TAGS)
    while place >= 0:
        width = 9 - data[place + 4].bit_length()
        length = int.from_bytes(data[place + 4 : place + 4 + width], "big") & ~(1 << 7 * width)
        stop = place + 4 + width + length
        if width <= 5 and stop <= len(data) and holds_graph(data[place:stop]):
            # The head keeps its length: one byte of name, and so many more for how long it is.
            wide = width + 3
            changed[place : place + 1 + wide] = _VOID + (length | 1 << 7 * wide).to_bytes(wide, "big")
            changed[place + 1 + wide : stop] = bytes(length)
        place = data.find(_TAGS, place + 4)
    return bytes(changed)


def _without_comments(data: bytes) -> bytes:
    changed, place, last = bytearray(data), 4, False
    while not last:
        last, kind = bool(data[place] & 0x80), data[place] & 0x7F
        stop = place + 4 + int.from_bytes(data[place + 1 : place + 4], "big")
        if stop > len(data):
            raise NotAnImage("The FLAC file is broken.")
        if kind == _FLAC_COMMENT:
            changed[place] = last << 7 | _FLAC_PADDING
            changed[place + 4 : stop] = bytes(stop - place - 4)
        place = stop
    return bytes(changed)
