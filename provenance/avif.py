"""AVIF items: EXIF out, and everything that could hold words or a credential blanked, without touching a pixel. Pure.

An AVIF keeps a picture, its EXIF and its XMP as items, whose places stand in a map (``meta``: ``iinf`` names them,
``iloc`` says where they are). Nothing is ever moved here: what goes is overwritten, so the map stays true.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from ..errors import NotAnImage
from .boxes import Box, walk

_BRANDS = (b"avif", b"avis")
_WORDY = (b"Exif", b"mime")
_CREDENTIAL = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")  # C2PA 2.2, appendix A.5.1
_FREE, _SKIPPED = b"free", b"skip"
_MOST_ITEMS = 10_000


class _Item(NamedTuple):
    number: int
    kind: bytes
    name: int
    """Where its kind stands in the file."""


def is_avif(data: bytes) -> bool:
    """Whether the bytes begin as an AVIF does."""
    return data[4:8] == b"ftyp" and data[8:12] in _BRANDS


def exif_of(avif: bytes) -> bytes | None:
    """The EXIF block, or None. Raises :class:`NotAnImage` for what is no AVIF."""
    for item, pieces in _items(avif):
        if item.kind == b"Exif":
            whole = b"".join(avif[start:stop] for start, stop in pieces)
            # Before the block stands how far it is from there.
            skip = int.from_bytes(whole[:4], "big")
            return whole[4 + skip :] or None
    return None


def without_words(avif: bytes) -> bytes:
    """With its EXIF and XMP blanked; one that has none comes back as it is. Raises :class:`NotAnImage`."""
    changed = bytearray(avif)
    for item, pieces in _items(avif):
        if item.kind in _WORDY:
            changed[item.name : item.name + 4] = _SKIPPED
            for start, stop in pieces:
                changed[start:stop] = bytes(stop - start)
    return bytes(changed)


def without_credential(avif: bytes) -> bytes:
    """With the box that its credential is kept in blanked. Raises :class:`NotAnImage`."""
    changed = bytearray(avif)
    for box in _boxes(avif, 0, len(avif)):
        if box.kind == b"uuid" and avif[box.body : box.body + 16] == _CREDENTIAL:
            changed[box.start + 4 : box.start + 8] = _FREE
            changed[box.body : box.stop] = bytes(box.stop - box.body)
    return bytes(changed)


def _boxes(data: bytes, place: int, end: int) -> Iterator[Box]:
    for box in walk(data, place, end):
        yield box
        place = box.stop
    if place + 8 <= end:
        raise NotAnImage(f"The AVIF is broken at byte {place}.")


def _items(data: bytes) -> Iterator[tuple[_Item, list[tuple[int, int]]]]:
    """Each item that has words, with its places in the file."""
    if not is_avif(data):
        raise NotAnImage("The bytes are no AVIF.")
    meta = next((box for box in _boxes(data, 0, len(data)) if box.kind == b"meta"), None)
    if meta is None:
        return
    inner = {box.kind: box for box in _boxes(data, meta.body + 4, meta.stop)}
    if b"iinf" not in inner or b"iloc" not in inner:
        return
    try:
        places = dict(_places(data, inner[b"iloc"]))
        for item in _named(data, inner[b"iinf"]):
            yield item, [each for each in places.get(item.number, []) if each[1] <= len(data)]
    except (struct.error, IndexError) as exc:
        raise NotAnImage("The AVIF's map of items is broken.") from exc


def _named(data: bytes, iinf: Box) -> Iterator[_Item]:
    first = iinf.body + (6 if data[iinf.body] == 0 else 8)
    for entry in _boxes(data, first, iinf.stop):
        version = data[entry.body]
        if entry.kind != b"infe" or version not in (2, 3):
            continue
        wide = 2 if version == 2 else 4
        number = int.from_bytes(data[entry.body + 4 : entry.body + 4 + wide], "big")
        name = entry.body + 4 + wide + 2
        yield _Item(number, data[name : name + 4], name)


def _places(data: bytes, iloc: Box) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """By the number of an item where its bytes are; of those that stand in the file itself."""
    version, sizes, base_sizes = data[iloc.body], data[iloc.body + 4], data[iloc.body + 5]
    offset_size, length_size, base_size = sizes >> 4, sizes & 15, base_sizes >> 4
    index_size = base_sizes & 15 if version in (1, 2) else 0
    reader = _Reader(data, iloc.body + 6, iloc.stop)
    wide = 4 if version == 2 else 2
    for _ in range(min(reader.number(wide), _MOST_ITEMS)):
        number = reader.number(wide)
        way = reader.number(2) & 15 if version in (1, 2) else 0
        reader.number(2)
        base = reader.number(base_size)
        found: list[tuple[int, int]] = []
        for _ in range(min(reader.number(2), _MOST_ITEMS)):
            reader.number(index_size)
            start = base + reader.number(offset_size)
            found.append((start, start + reader.number(length_size)))
        if way == 0:
            yield number, found


class _Reader:
    """Numbers of given widths, one after the other."""

    def __init__(self, data: bytes, place: int, stop: int) -> None:
        self._data, self._place, self._stop = data, place, stop

    def number(self, width: int) -> int:
        place, self._place = self._place, self._place + width
        if self._place > self._stop:
            raise NotAnImage("The AVIF's map of items is broken.")
        return int.from_bytes(self._data[place : self._place], "big")
