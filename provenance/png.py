"""PNG chunks: ComfyUI's text metadata in and out, without touching a pixel. Pure.

A credential covers every byte of a file but its own chunk, so text is written before signing. The credential that
was in the file is dropped here: the original bytes travel as an ingredient and keep it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping

from ..errors import InternalError, NotAnImage

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXT_KINDS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_WORDLESS_KINDS = frozenset(
    {
        b"IHDR",
        b"PLTE",
        b"IDAT",
        b"IEND",
        b"tRNS",
        b"gAMA",
        b"cHRM",
        b"sRGB",
        b"iCCP",
        b"cICP",
        b"mDCV",
        b"cLLI",
        b"sBIT",
    }
    | {b"bKGD", b"hIST", b"pHYs", b"acTL", b"fcTL", b"fdAT", b"caBX"}
)  # what a picture is shown by, and its credential: other programs keep words in chunks of their own
_CREDENTIAL_KIND = b"caBX"  # C2PA 2.2, appendix A.3.2
_MOST_TEXT = 16 * 1024 * 1024  # bytes of text that compressed chunks of one file may expand to, all together

_Chunk = tuple[bytes, memoryview, memoryview]
"""A chunk's kind, its data, and the whole of it as it stands in the file. Views: pixels are megabytes."""


def is_png(data: bytes) -> bool:
    """Whether the bytes begin as a PNG does."""
    return data.startswith(_SIGNATURE)


def with_text(png: bytes, texts: Mapping[str, str]) -> bytes:
    """The PNG with these text chunks right after its header; chunks of the same keys and a credential are dropped.

    As ComfyUI (Pillow) writes them: ``tEXt`` where Latin-1 can hold the text, else ``iTXt``. What follows the end
    of the image is dropped too. Raises :class:`NotAnImage` for what is no whole PNG.
    """
    (_, _, header), *rest = list(_chunks(png))
    parts: list[bytes | memoryview] = [_SIGNATURE, header]
    parts += [_text_chunk(key, text) for key, text in texts.items()]
    names = {_keyword(key) for key in texts}
    for kind, data, whole in rest:
        replaced = kind in _TEXT_KINDS and bytes(data).partition(b"\0")[0] in names
        if not replaced and kind != _CREDENTIAL_KIND:
            parts.append(whole)
    return b"".join(parts)


def read_text(png: bytes) -> dict[str, str]:
    """The text chunks by key, the last of a key winning.

    Raises :class:`NotAnImage` for what is no whole PNG, and for text that expands beyond all measure.
    """
    texts: dict[str, str] = {}
    budget = _MOST_TEXT
    for kind, data, _ in _chunks(png):
        if kind not in _TEXT_KINDS:
            continue
        key, expanded, text = _READERS[kind](bytes(data), budget)
        budget -= expanded
        texts[key] = text
    return texts


def without_words(png: bytes) -> bytes:
    """The PNG without text, EXIF, chunks of other programs and what follows the picture; one that has none of it comes
    back as it is. Raises :class:`NotAnImage`."""
    chunks = list(_chunks(png))
    kept = b"".join([_SIGNATURE, *(whole for kind, _, whole in chunks if kind in _WORDLESS_KINDS)])
    return png if len(kept) == len(png) else kept


def without_credential(png: bytes) -> bytes:
    """The PNG without its credential chunk. Raises :class:`NotAnImage`."""
    return _without(png, frozenset({_CREDENTIAL_KIND}))


def _without(png: bytes, kinds: frozenset[bytes]) -> bytes:
    chunks = list(_chunks(png))
    if not any(kind in kinds for kind, _, _ in chunks):
        return png
    return b"".join([_SIGNATURE, *(whole for kind, _, whole in chunks if kind not in kinds)])


def has_credential(png: bytes) -> bool:
    """Whether a PNG carries a credential chunk; what is no whole PNG carries none."""
    try:
        return any(kind == _CREDENTIAL_KIND for kind, _, _ in _chunks(png))
    except NotAnImage:
        return False


def damaged_chunks(png: bytes) -> list[str]:
    """The kind of each chunk whose checksum is wrong."""
    return [
        kind.decode("latin-1")
        for kind, data, whole in _chunks(png)
        if zlib.crc32(data, zlib.crc32(kind)) != int.from_bytes(whole[-4:], "big")
    ]


def _chunks(png: bytes) -> Iterator[_Chunk]:
    if not is_png(png):
        raise NotAnImage("The bytes are no PNG.")
    view = memoryview(png)
    place, kind, first, pixels = len(_SIGNATURE), b"", True, False
    while kind != b"IEND":
        kind, whole = _chunk_at(view, place)
        if first and kind != b"IHDR":
            raise NotAnImage("The PNG does not begin with its header.")
        first, pixels = False, pixels or kind == b"IDAT"
        yield kind, whole[8:-4], whole
        place += len(whole)
    if not pixels:
        raise NotAnImage("The PNG holds no pixels.")


def _chunk_at(png: memoryview, place: int) -> tuple[bytes, memoryview]:
    """The kind and the whole of the chunk that begins at ``place``."""
    if place + 12 > len(png):
        raise NotAnImage("The PNG ends before its end mark.")
    length, kind = struct.unpack_from(">I4s", png, place)
    if not kind.isalpha() or place + 12 + length > len(png):
        raise NotAnImage(f"The PNG is broken at byte {place}.")
    return kind, png[place : place + 12 + length]


def _keyword(key: str) -> bytes:
    try:
        name = key.encode("latin-1")
    except UnicodeEncodeError:
        name = b""
    if not 1 <= len(name) <= 79 or b"\0" in name:
        raise InternalError(f"{key!r} cannot be the key of a PNG text chunk.")
    return name


def _text_chunk(key: str, text: str) -> bytes:
    name = _keyword(key)
    try:
        kind, data = b"tEXt", name + b"\0" + text.encode("latin-1")
    except UnicodeEncodeError:
        # Keyword, NUL, not compressed, method 0, no language, no translated keyword.
        kind, data = b"iTXt", name + b"\0\0\0\0\0" + text.encode("utf-8", "replace")
    checksum = zlib.crc32(data, zlib.crc32(kind))
    return struct.pack(">I4s", len(data), kind) + data + struct.pack(">I", checksum)


def _read_plain(data: bytes, _budget: int) -> tuple[str, int, str]:
    key, _, text = data.partition(b"\0")
    return key.decode("latin-1"), 0, text.decode("latin-1")


def _read_compressed(data: bytes, budget: int) -> tuple[str, int, str]:
    key, _, rest = data.partition(b"\0")
    text = _expand(rest[1:], budget)
    return key.decode("latin-1"), len(text), text.decode("latin-1")


def _read_international(data: bytes, budget: int) -> tuple[str, int, str]:
    key, _, rest = data.partition(b"\0")
    fields = rest[2:].split(b"\0", 2)
    if len(fields) != 3:
        raise NotAnImage("A text chunk of the PNG is broken.")
    compressed = rest[0] == 1
    text = _expand(fields[2], budget) if compressed else fields[2]
    return key.decode("latin-1"), len(text) if compressed else 0, text.decode("utf-8", "replace")


_READERS = {b"tEXt": _read_plain, b"zTXt": _read_compressed, b"iTXt": _read_international}


def _expand(data: bytes, budget: int) -> bytes:
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(data, budget + 1)
    except zlib.error as exc:
        raise NotAnImage("A text chunk of the PNG is broken.") from exc
    if len(text) > budget:
        raise NotAnImage(f"The PNG's text expands beyond {_MOST_TEXT // 2**20} MiB.")
    return text
