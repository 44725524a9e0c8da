"""A picture as a classifier takes it."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from ...errors import InvalidInput
from .description import Preprocessing

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

MOST_PIXELS = 100_000_000


def prepared(data: bytes, how: Preprocessing) -> np.ndarray[Any, Any]:
    """The picture as one input of the model. Raises InvalidInput for what is no image that can be read."""
    import numpy as np

    array: Any = np.asarray(_resized(_read(data), how), dtype=np.float32)
    if how.channels == "BGR":
        array = array[..., ::-1]
    if how.range != "0..255":
        array = array / 255.0 if how.range == "0..1" else array / 127.5 - 1.0
    array = (array - np.asarray(how.mean, dtype=np.float32)) / np.asarray(how.std, dtype=np.float32)
    if how.layout == "NCHW":
        array = array.transpose(2, 0, 1)
    if how.dtype == "uint8":
        array = np.clip(np.rint(array), 0, 255)
    return np.ascontiguousarray(array[None], dtype=how.dtype)


def _read(data: bytes) -> Image:
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(BytesIO(data), formats=["PNG", "JPEG", "WEBP"]) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise InvalidInput(f"An image of {picture.width}x{picture.height} pixels is too large to be checked.")
            # Without its transparency: what an alpha channel hides is still in the file.
            return ImageOps.exif_transpose(picture).convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as exc:
        raise InvalidInput("Only images can be checked; this is none that can be read.") from exc


def _resized(picture: Image, how: Preprocessing) -> Image:
    from PIL import Image, ImageOps

    size, way = (how.width, how.height), Image.Resampling[how.filter.upper()]
    if how.resize == "crop":
        return ImageOps.fit(picture, size, way)
    if how.resize == "pad":
        return ImageOps.pad(picture, size, way)
    return picture.resize(size, way)
