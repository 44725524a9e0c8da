"""Finished pictures: drawn or edited, marked, and packed.

Only PNG is the same bytes on every platform. JPEG and WebP go through Pillow, whose codecs differ by version; their
pixels are those of the PNG before packing.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ..errors import ImageTooLarge, NotAnImage
from . import mark, png
from .brush import Canvas
from .palette import mix
from .scene import paint

Format = Literal["png", "jpeg", "webp"]
Where = NDArray[np.bool_]
"""[H,W]: True where a picture may change."""
_MOST_PIXELS = 64_000_000
_READABLE = ("PNG", "JPEG", "WEBP")


@dataclass(frozen=True)
class Source:
    """A picture that somebody sent: pixels as [H,W,4], and whether it had an alpha channel of its own."""

    pixels: Canvas
    has_alpha: bool

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)"""
        return self.pixels.shape[1], self.pixels.shape[0]


def read(data: bytes) -> Source:
    """Decode what a client sent; raises :class:`NotAnImage` or :class:`ImageTooLarge`."""
    try:
        with Image.open(io.BytesIO(data), formats=_READABLE) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise ImageTooLarge("the image has too many pixels")
            has_alpha = "A" in image.getbands() or "transparency" in image.info
            upright = ImageOps.exif_transpose(image).convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise NotAnImage("the bytes are no readable PNG, JPEG or WebP") from error
    return Source(np.array(upright, np.uint8), has_alpha)


def render(prompt: str, width: int, height: int, seed: int = 0, index: int = 0) -> bytes:
    """The PNG of a new picture; equal arguments give equal bytes everywhere.

    "solid red" (or another colour word) gives a flat field instead of a scene, for tests that judge a mean
    colour (from 128 pixels on; on smaller pictures the mark outweighs it).
    """
    return png.encode(draw(prompt, width, height, seed, index))


def draw(prompt: str, width: int, height: int, seed: int = 0, index: int = 0) -> Canvas:
    """The pixels of :func:`render`."""
    canvas = paint(prompt, width, height, seed, index)
    mark.apply(canvas)
    return canvas


def marked(canvas: Canvas, where: Where | None = None) -> Canvas:
    """The picture with the sandbox's mark, which stands only inside ``where`` when that is given."""
    made: Canvas = np.ascontiguousarray(canvas)
    mark.apply(made, where)
    return made


def black(width: int, height: int) -> Canvas:
    """What fal gives in place of a picture that its safety checker stopped."""
    canvas = np.zeros((height, width, 3), np.uint8)
    mark.apply(canvas)
    return canvas


def edit(
    sources: list[Source], prompt: str, width: int, height: int, seed: int, index: int = 0, where: Where | None = None
) -> Canvas:
    """The first source with the prompt's scene shining through; the other sources stand in its lower left corner.

    With ``where`` only those pixels change (the mark too is drawn only there), and they show mostly the new scene.
    """
    base = fitted(sources[0].pixels, width, height)[..., :3]
    scene = paint(prompt, width, height, seed, index).astype(np.uint16)
    share = 196 if where is not None else 104
    canvas: Canvas = ((base.astype(np.uint16) * (256 - share) + scene * share) >> 8).astype(np.uint8)
    for place, source in enumerate(sources[1:]):
        _inset(canvas, source, place, len(sources) - 1)
    if where is not None:
        canvas = np.where(where[..., None], canvas, base)
    mark.apply(canvas, where)
    return canvas


def fitted_mask(mask: Where, width: int, height: int) -> Where:
    """The mask at the size of the result."""
    return mask[_samples(mask.shape[0], height)[:, None], _samples(mask.shape[1], width)[None, :]]


def cut_out(canvas: Canvas) -> Canvas:
    """The picture on a transparent background: an ellipse of it, with alpha 0 around."""
    height, width = canvas.shape[:2]
    x = (np.arange(width, dtype=np.int64) * 2 - width) ** 2 * 65536 // width**2
    y = (np.arange(height, dtype=np.int64) * 2 - height) ** 2 * 65536 // height**2
    inside = np.clip((65536 - x[None, :] - y[:, None]) >> 4, 0, 255).astype(np.uint8)
    return np.concatenate([canvas, inside[..., None]], axis=2)


def coarse(canvas: Canvas, blocks: int) -> Canvas:
    """The picture in ``blocks`` x ``blocks`` squares: what a partial image looks like before it is done."""
    height, width = canvas.shape[:2]
    rows, columns = _samples(blocks, height), _samples(blocks, width)
    small = canvas[_samples(height, blocks)[:, None], _samples(width, blocks)[None, :]]
    return small[rows[:, None], columns[None, :]]


def pack(canvas: Canvas, kind: Format, quality: int = 90) -> bytes:
    """The file of a picture; ``quality`` is 0..100 and counts for JPEG and WebP."""
    if kind == "png":
        return png.encode(canvas)
    image = Image.fromarray(canvas)
    out = io.BytesIO()
    if kind == "jpeg":
        image.convert("RGB").save(out, "JPEG", quality=max(1, min(quality, 95)))
    else:
        image.save(out, "WEBP", quality=quality, method=2)
    return out.getvalue()


def corrupted(data: bytes) -> bytes:
    """Half of the file, then rubbish: it starts like an image and cannot be decoded."""
    half = len(data) // 2
    return data[:half] + b"\x00corrupt" * 8


def _samples(have: int, want: int) -> NDArray[np.int64]:
    """For each of ``want`` places the nearest of ``have``: resizing without any rounding of floats."""
    return (np.arange(want, dtype=np.int64) * 2 + 1) * have // (2 * want)


def fitted(pixels: Canvas, width: int, height: int) -> Canvas:
    """The picture at another size; its shape is not kept."""
    return pixels[_samples(pixels.shape[0], height)[:, None], _samples(pixels.shape[1], width)[None, :]]


def _inset(canvas: Canvas, source: Source, place: int, count: int) -> None:
    height, width = canvas.shape[:2]
    size = min(width // (count + 1), min(width, height) // 4)
    rim = max(1, size // 24)
    top, left = height - size - rim, rim + place * size
    if size < 3 * rim or top < 0:
        return
    canvas[top : top + size, left : left + size] = mix((255, 255, 255), (230, 226, 214), 128)
    inner = size - 2 * rim
    canvas[top + rim : top + rim + inner, left + rim : left + rim + inner] = fitted(source.pixels, inner, inner)[
        ..., :3
    ]
