"""What a file holds beside its credential, as one digest: the same however often it is signed, and whatever is written
into it of how it was made. Pure, with Pillow.

Of pictures that Pillow unpacks it is that of the pixels, of every frame; of films, sounds and other pictures that of
their coded data; of anything else that of all bytes.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Iterator
from itertools import islice

from .boxes import walk
from .sniffing import after_tag, media_type

_PIXELS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
    "image/tiff": "TIFF",
    "image/avif": "AVIF",
}
_BOXED = frozenset({"image/heic", "image/heif", "video/mp4", "video/quicktime", "video/x-m4v", "audio/mp4"})
_TAGGED = frozenset({"audio/mpeg", "audio/flac"})
_FRAMES = 8
"""So many times the pixels that a picture may have are unpacked of a moving one: what follows does not count."""
_IN_SVG = re.compile(rb"<metadata>\s*<c2pa:manifest.*?</metadata>|<c2pa:manifest.*?</c2pa:manifest>", re.DOTALL)


def same(data: bytes, *, max_pixels: int) -> str:
    """What all files have in common that show or sound like this very one. A picture that is damaged, or larger than
    may be unpacked, counts by its bytes."""
    kind = media_type(data) or ""
    told = hashlib.sha256()
    for piece in _seen(data, kind, max_pixels) or _coded(data, kind) or [data]:
        told.update(piece)
    return told.hexdigest()


def _seen(data: bytes, kind: str, max_pixels: int) -> list[bytes]:
    """Each frame: its size, and a digest of its pixels. Empty where there are none to be had."""
    from PIL import Image, ImageSequence

    if kind not in _PIXELS:
        return []
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data), formats=[_PIXELS[kind]]) as image:
            warnings.simplefilter("ignore")
            if (pixels := image.width * image.height) > max_pixels:
                return []
            most = _FRAMES * max_pixels // max(1, pixels)
            return [_frame(each) for each in islice(ImageSequence.Iterator(image), most)]
    # What Pillow raises for a broken file is of every kind.
    except Exception:  # noqa: BLE001
        return []


def _frame(image: object) -> bytes:
    shown = image.convert("RGBA")  # type: ignore[attr-defined]  # Pillow is not imported where nobody needs it
    return f"{shown.width}x{shown.height}:{hashlib.sha256(shown.tobytes()).hexdigest()}\n".encode()


def _coded(data: bytes, kind: str) -> list[bytes]:
    """What is played or unpacked; nothing where this is not known of the kind, or it is broken."""
    if kind in _BOXED:
        return _held(data, b"mdat")
    if kind == "image/jxl":
        return _held(data, b"jxlc", b"jxlp")
    if kind in ("audio/wav", "video/x-msvideo", "image/webp"):
        return [name + body for name, body in _chunks(data) if name not in (b"C2PA", b"JUNK", b"idx1")]
    if kind in _TAGGED and data[:3] == b"ID3":
        return [data[after_tag(data) :]]
    return [_IN_SVG.sub(b"", data)] if kind == "image/svg+xml" else []


def _held(data: bytes, *kinds: bytes) -> list[bytes]:
    """What is in the boxes of these kinds."""
    return [data[box.body : box.stop] for box in walk(data, 0, len(data)) if box.kind in kinds]


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a RIFF file: (name, body)."""
    place = 12
    while place + 8 <= len(data):
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        yield data[place : place + 4], data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2
