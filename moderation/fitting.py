"""An image as a moderation service takes it: the same picture, of a kind, a weight and a size that it reads."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from ..errors import InvalidInput

if TYPE_CHECKING:
    from PIL.Image import Image

_ENOUGH_SIDE = 1600
"""Pixels of the longer side that are enough to judge by, where a picture must be made smaller. As JPEG of this quality
even noise is then below 4 MB."""
_QUALITY = 92
_MOST_PIXELS = 100_000_000


@dataclass(frozen=True, kw_only=True)
class Takes:
    """What a service takes. Sides are in pixels."""

    media_types: frozenset[str]
    most_bytes: int
    least_side: int
    most_side: int | None = None

    def as_it_is(self, media_type: str, weight: int, size: tuple[int, int]) -> bool:
        """Whether a file of this kind, weight and size can go as it is."""
        fits = self.most_side is None or max(size) <= self.most_side
        return media_type in self.media_types and weight <= self.most_bytes and min(size) >= self.least_side and fits


def fitted(data: bytes, media_type: str, takes: Takes) -> bytes:
    """The file itself where it can go as it is, else the same picture as JPEG, scaled as far as it must be.

    Raises InvalidInput for what is no image that can be read, and for one of more than 100 megapixels.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(BytesIO(data)) as picture:
            if picture.width * picture.height > _MOST_PIXELS:
                raise InvalidInput(f"An image of {picture.width}x{picture.height} pixels is too large to be checked.")
            if takes.as_it_is(media_type, len(data), picture.size):
                return data
            return _as_jpeg(picture, takes)
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise InvalidInput("Only images can be checked; this is none that can be read.") from error


def _as_jpeg(picture: Image, takes: Takes) -> bytes:
    flat = picture.convert("RGB")
    factor = min(1.0, _ENOUGH_SIDE / max(flat.size))
    # A side that is too short is stretched by itself: a strip enlarged in its shape could have no end.
    width, height = (max(takes.least_side, round(side * factor)) for side in flat.size)
    if (width, height) != flat.size:
        flat = flat.resize((width, height))
    file = BytesIO()
    flat.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
