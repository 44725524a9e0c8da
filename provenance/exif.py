"""EXIF blocks: the graph in an image that has no text chunks, as ComfyUI writes it and its page reads it back. Pure.

A block is a TIFF file: a byte order, and a directory of tagged values at offsets from its start. ComfyUI keeps each
text as ``name:text`` in an ASCII value of the first directory: ``prompt`` in tag 0x0110, the others from 0x010F
downwards (its page takes the name from the text, not from the tag). What else a block holds is kept: the old block
stays as it is, and a new directory after it replaces the first one.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

_PROMPT, _FIRST, _LAST = 0x0110, 0x010F, 0x0108
_ASCII = 2
_EMPTY = b"II*\0\x08\0\0\0\0\0\0\0\0\0"
_NEXT = 4  # bytes of the offset of the directory after this one

MOST_VALUES = 1000
"""The most values of a directory that is read: cameras write some dozens, and what has more means to keep us busy."""
MOST_TEXTS = _FIRST - _LAST + 2
"""How many texts a block takes, ``prompt`` among them."""


class _Entry(NamedTuple):
    tag: int
    raw: bytes
    """All twelve bytes as they stand in the directory."""


def with_texts(block: bytes | None, texts: Mapping[str, str]) -> bytes:
    """The block with these texts in place of those it had. A block that cannot be read is replaced.

    Texts beyond :data:`MOST_TEXTS` are left out, the last ones first. Text is UTF-8, which the page reads.
    """
    order, entries, following = _directory(block or _EMPTY) or ("<", [], 0)
    old = block if entries and block else _EMPTY
    start = len(old) + len(old) % 2
    tags = _tags(texts)
    kept = [entry for entry in entries if entry.tag not in tags and not _is_text(old, order, entry)]
    values = {tag: f"{name}:{texts[name]}".encode("utf-8", "replace") + b"\0" for tag, name in tags.items()}
    place = start + 2 + 12 * (len(kept) + len(values)) + _NEXT
    for tag, value in values.items():
        kept.append(_Entry(tag, struct.pack(f"{order}HHII", tag, _ASCII, len(value), place)))
        place += len(value)
    kept.sort()
    head = old[:4] + struct.pack(f"{order}I", start) + old[8:] + b"\0" * (start - len(old))
    directory = struct.pack(f"{order}H", len(kept)) + b"".join(entry.raw for entry in kept)
    return head + directory + struct.pack(f"{order}I", following) + b"".join(values.values())


def read_texts(block: bytes) -> dict[str, str]:
    """The texts by name; none where the block cannot be read, or its values share their bytes."""
    order, entries, _ = _directory(block) or ("<", [], 0)
    places = [place for place in (_place(block, order, entry) for entry in entries) if place]
    # Values that all point at one text would make a small file fill the memory.
    if sum(place.stop - place.start for place in places) > len(block):
        return {}
    found = (block[place].rstrip(b"\0").decode("utf-8", "replace").partition(":") for place in places)
    return {name: text for name, colon, text in found if colon}


def _tags(texts: Mapping[str, str]) -> dict[int, str]:
    others = [name for name in texts if name != "prompt"][: MOST_TEXTS - 1]
    tags = {_FIRST - place: name for place, name in enumerate(others)}
    return {**tags, _PROMPT: "prompt"} if "prompt" in texts else tags


def _directory(block: bytes) -> tuple[str, list[_Entry], int] | None:
    """Byte order, entries and the offset of the next directory; None for what is no block."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None or len(block) < 14:
        return None
    start = struct.unpack_from(f"{order}I", block, 4)[0]
    if start + 2 > len(block):
        return None
    count = struct.unpack_from(f"{order}H", block, start)[0]
    end = start + 2 + 12 * count
    if count > MOST_VALUES or end + _NEXT > len(block):
        return None
    entries = [block[place : place + 12] for place in range(start + 2, end, 12)]
    following = int(struct.unpack_from(f"{order}I", block, end)[0])
    return order, [_Entry(int(struct.unpack_from(f"{order}H", raw)[0]), raw) for raw in entries], following


def _is_text(block: bytes, order: str, entry: _Entry) -> bool:
    """Whether this is a text of a graph: two of one name would leave it to the reader which one counts."""
    place = _place(block, order, entry)
    return place is not None and block.startswith((b"prompt:", b"workflow:"), place.start, place.stop)


def _place(block: bytes, order: str, entry: _Entry) -> slice | None:
    """Where the text of a value stands in the block; None where the value is no text, or short enough for its entry."""
    _, kind, count, place = struct.unpack(f"{order}HHII", entry.raw)
    if kind != _ASCII or count <= 4 or place + count > len(block):
        return None
    return slice(place, place + count)
