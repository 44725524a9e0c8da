"""Looking into a picture file that anybody may have sent: its kind and size from the header, no pixel unpacked."""

from __future__ import annotations

import warnings
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


def look(path: Path, *, max_pixels: int) -> Seen:
    """What the picture is. Raises NotAnImage and ImageTooLarge."""
    with opened(path, max_pixels=max_pixels) as (image, media_type):
        return Seen(media_type, image.width, image.height)


class opened:  # noqa: N801 - used like a function
    """The picture, opened and not yet unpacked, with its media type. Raises as :func:`look`."""

    def __init__(self, path: Path, *, max_pixels: int) -> None:
        self._path, self._max = path, max_pixels

    def __enter__(self) -> tuple[Image, str]:
        with self._path.open("rb") as file:
            media_type = kinds.sniff(file.read(kinds.HEAD)) or ""
        self._image = _open(self._path, media_type)
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


def _open(path: Path, media_type: str) -> Image:
    from PIL import Image, UnidentifiedImageError

    if media_type not in _FORMATS:
        raise NotAnImage("The file is no PNG, JPEG or WebP picture.", hint="Convert it first.")
    try:
        with warnings.catch_warnings():
            # Pillow warns of bombs at its own limit; ours is asked before any pixel is unpacked.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            # Only the kind that its first bytes tell: no other reader is let near it.
            return Image.open(path, formats=[_FORMATS[media_type]])
    except Image.DecompressionBombError as exc:
        raise ImageTooLarge("The picture has far too many pixels.", hint="Scale it down.") from exc
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, KeyError) as exc:
        raise NotAnImage("The picture is damaged or cut off.", hint="Save it again.") from exc
