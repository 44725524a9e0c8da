"""Looking into a picture file that anybody may have sent: its kind and size from the header, no pixel unpacked; then,
where that is asked for, whether all of it can be unpacked."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ImageTooLarge, NotAnImage
from . import kinds

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
MOST_FRAMES = 1000


@dataclass(frozen=True)
class Seen:
    """What a picture's header says."""

    media_type: str
    width: int
    height: int


def look(path: Path, *, max_pixels: int, whole: bool = False) -> Seen:
    """What the picture is; ``whole``: every frame of it is unpacked, which takes its time and memory.

    Raises NotAnImage and ImageTooLarge.
    """
    with opened(path, max_pixels=max_pixels) as (image, media_type):
        seen = Seen(media_type, image.width, image.height)
        if whole:
            if media_type == "image/png" and not _ends(path):
                raise _damaged()
            _unpack(image)
        return seen


def _ends(path: Path) -> bool:
    """Whether a PNG goes on to its end: who unpacks it may be content with less."""
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
            file.seek(int.from_bytes(head[:4], "big") + 4, io.SEEK_CUR)
        return head[4:] == b"IEND" and len(file.read(4)) == 4


def _unpack(image: Image) -> None:
    try:
        for frame in range(int(getattr(image, "n_frames", 1))):
            image.seek(frame)
            image.load()
    except (OSError, EOFError, ValueError, SyntaxError, KeyError, struct.error, zlib.error) as exc:
        raise _damaged() from exc


def _damaged() -> NotAnImage:
    return NotAnImage("The picture is damaged or cut off.", hint="Save it again.")


class opened:  # noqa: N801 - used like a function
    """The picture, a file or its bytes, opened and not yet unpacked, with its media type. Raises as :func:`look`."""

    def __init__(self, picture: Path | bytes, *, max_pixels: int) -> None:
        self._picture, self._max = picture, max_pixels

    def __enter__(self) -> tuple[Image, str]:
        media_type = kinds.sniff(_head(self._picture)) or ""
        self._image = _open(self._picture, media_type)
        try:
            self._check()
        except BaseException:
            self._image.close()
            raise
        return self._image, media_type

    def __exit__(self, *_: object) -> None:
        self._image.close()

    def _check(self) -> None:
        size, frames = self._image.size, int(getattr(self._image, "n_frames", 1))
        if min(size) < 1:
            raise NotAnImage("The picture has no pixels.")
        if frames > MOST_FRAMES or size[0] * size[1] * frames > self._max:
            each = f"{frames} frames of " if frames > 1 else ""
            raise ImageTooLarge(
                f"The picture is {each}{size[0]}x{size[1]}: more than {self._max} pixels.", hint="Scale it down."
            )


def _head(picture: Path | bytes) -> bytes:
    if isinstance(picture, bytes):
        return picture[: kinds.HEAD]
    with picture.open("rb") as file:
        return file.read(kinds.HEAD)


def _open(picture: Path | bytes, media_type: str) -> Image:
    from PIL import Image, UnidentifiedImageError

    if media_type not in _FORMATS:
        raise NotAnImage("The file is no PNG, JPEG or WebP picture.", hint="Convert it first.")
    try:
        with warnings.catch_warnings():
            # Pillow warns of bombs at its own limit; ours is asked before any pixel is unpacked.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            # Only the kind that its first bytes tell: no other reader is let near it.
            source = io.BytesIO(picture) if isinstance(picture, bytes) else picture
            return Image.open(source, formats=[_FORMATS[media_type]])
    except Image.DecompressionBombError as exc:
        raise ImageTooLarge("The picture has far too many pixels.", hint="Scale it down.") from exc
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, KeyError) as exc:
        raise _damaged() from exc
