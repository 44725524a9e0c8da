"""Pixels as files of the formats that can be signed."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InvalidInput, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np


@dataclass(frozen=True)
class Format:
    """A file format: its media type, the ending of its files and the longest side that can be written."""

    media_type: str
    ending: str
    max_side: int


FORMATS = {
    "PNG": Format("image/png", "png", 2**31 - 1),
    "JPEG": Format("image/jpeg", "jpg", 65_500),
    "WebP": Format("image/webp", "webp", 16_383),
    "AVIF": Format("image/avif", "avif", 65_536),
}


def encode(
    pixels: np.ndarray[Any, Any], name: str, *, quality: int, lossless: bool, texts: Mapping[str, str] | None = None
) -> bytes:
    """The pixels (uint8 [H,W,C], C = 3 or 4) as a file. JPEG has no transparency: it is laid on white.

    ``quality`` (1 to 100) is that of all but PNG, where they lose anything. ``texts`` go into an AVIF, which takes none
    later on. Raises InvalidInput where the format has no room for so many, MissingExtra where Pillow has no AVIF.
    """
    height, width = pixels.shape[:2]
    if max(height, width) > FORMATS[name].max_side:
        raise InvalidInput(
            f"format: {name} holds at most {FORMATS[name].max_side} pixels a side, not {width}x{height}.",
            hint="Choose PNG.",
        )
    if name == "PNG":
        from .pixels import to_png

        return to_png(pixels)
    if name == "AVIF":
        return _avif(pixels, quality, texts or {})
    return _jpeg(pixels, quality) if name == "JPEG" else _webp(pixels, quality, lossless)


def _jpeg(pixels: np.ndarray[Any, Any], quality: int) -> bytes:
    from PIL import Image

    picture = Image.fromarray(pixels)
    if picture.mode == "RGBA":
        white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(white, picture).convert("RGB")
    buffer = io.BytesIO()
    # Colours at full resolution where quality is wanted: red text on blue is what gives JPEG away first.
    picture.save(buffer, "JPEG", quality=quality, subsampling=0 if quality >= 90 else 2)
    return buffer.getvalue()


def _webp(pixels: np.ndarray[Any, Any], quality: int, lossless: bool) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    # Without loss, ``quality`` would only say how long to try; transparent pixels keep their colours.
    effort = {"quality": 75, "exact": True} if lossless else {"quality": quality}
    Image.fromarray(pixels).save(buffer, "WEBP", lossless=lossless, method=4, **effort)
    return buffer.getvalue()


def _avif(pixels: np.ndarray[Any, Any], quality: int, texts: Mapping[str, str]) -> bytes:
    from PIL import Image

    from ..provenance import exif

    buffer = io.BytesIO()
    block = {"exif": exif.with_texts(None, texts)} if texts else {}
    # As with JPEG; what Pillow writes of it is never without loss.
    colours = "4:4:4" if quality >= 90 else "4:2:0"
    try:
        Image.fromarray(pixels).save(buffer, "AVIF", quality=quality, subsampling=colours, speed=6, **block)
    except (KeyError, OSError) as exc:
        raise MissingExtra("This Pillow writes no AVIF.", hint="pip install -U pillow (11.3 or newer)") from exc
    return buffer.getvalue()
