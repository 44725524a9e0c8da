"""Picture files of many kinds, the same bytes every time, to see how a host reads them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

SIZE = (20, 16)
"""Wide enough: ComfyUI 0.33 cannot read a grey or paletted picture narrower than some sixteen pixels."""


def _bytes(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _ramp(channels: int, seed: int = 0, size: tuple[int, int] = SIZE) -> Any:
    width, height = size
    return ((np.arange(width * height * channels) * 37 + seed * 11) % 256).astype(np.uint8).reshape(height, width, -1)


def _rgb(seed: int = 0, size: tuple[int, int] = SIZE) -> Image.Image:
    return Image.fromarray(_ramp(3, seed, size))


def _turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return _bytes(Image.new("RGB", SIZE, (200, 30, 90)), "JPEG", exif=exif, quality=95)


def _palette(*, clear: bool) -> bytes:
    picture = _rgb().quantize(8)
    return _bytes(picture, "PNG", **({"transparency": 2} if clear else {}))


def _sixteen() -> bytes:
    values = (np.arange(320, dtype=np.uint16) * 2741).reshape(16, 20)
    return _bytes(Image.fromarray(values), "PNG")


def _frames(kind: str, *sizes: tuple[int, int], **options: Any) -> bytes:
    first, *rest = (_rgb(seed, size) for seed, size in enumerate(sizes))
    return _bytes(first, kind, save_all=True, append_images=rest, **options)


MAKERS: dict[str, Callable[[], bytes]] = {
    "rgb.png": lambda: _bytes(_rgb(), "PNG"),
    "rgba.png": lambda: _bytes(Image.fromarray(_ramp(4)), "PNG"),
    "grey.png": lambda: _bytes(Image.fromarray(_ramp(1)[..., 0]), "PNG"),
    "grey_alpha.png": lambda: _bytes(Image.fromarray(_ramp(2)), "PNG"),
    "sixteen.png": _sixteen,
    "palette.png": lambda: _palette(clear=False),
    "palette_clear.png": lambda: _palette(clear=True),
    "bit.png": lambda: _bytes(Image.fromarray(_ramp(1)[..., 0]).convert("1"), "PNG"),
    "turned.jpg": _turned,
    "frames.gif": lambda: _frames("GIF", SIZE, SIZE, SIZE),
    "frames.png": lambda: _frames("PNG", SIZE, SIZE),
    "frames.webp": lambda: _frames("WEBP", SIZE, SIZE, lossless=True),
    "sizes.gif": lambda: _frames("GIF", SIZE, (18, 17)),
    "cmyk.jpg": lambda: _bytes(Image.new("CMYK", SIZE, (20, 40, 60, 80)), "JPEG", quality=95),
    "float.tiff": lambda: _bytes(Image.fromarray(np.linspace(0, 1, 320, dtype=np.float32).reshape(16, 20)), "TIFF"),
    "pages.tiff": lambda: _frames("TIFF", SIZE, (18, 17), SIZE),
}
