"""The size of a plain PNG: as the image library says, or nothing."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image, PngImagePlugin

from mintmark.generation.plain_png import plain_png


def png(mode: str = "RGB", size: tuple[int, int] = (7, 5), **more: object) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, "PNG", **more)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_plain_kind_has_the_size_that_the_library_says(mode: str) -> None:
    data = png(mode)
    with Image.open(io.BytesIO(data)) as image:
        assert plain_png(data) == image.size == (7, 5)


def test_words_and_densities_before_the_pixels_are_passed_over() -> None:
    words = PngImagePlugin.PngInfo()
    words.add_text("prompt", "{}" * 5000)
    assert plain_png(png(pnginfo=words, dpi=(72, 72))) == (7, 5)


def test_what_needs_a_closer_look_is_left_to_the_library() -> None:
    packed = PngImagePlugin.PngInfo()
    packed.add_text("prompt", "{}" * 5000, zip=True)
    frames = [Image.new("RGB", (7, 5), colour) for colour in ("red", "blue")]
    assert plain_png(png(pnginfo=packed)) is None
    assert plain_png(png(save_all=True, append_images=frames)) is None


def test_what_is_broken_has_no_size() -> None:
    good = png()
    broken = [
        b"",
        good[:20],
        good[:33],
        good[:40],
        b"GIF89a" + good[6:],
        good[:20] + b"\xff" + good[21:],
        good[:33] + chunk(b"tEXt", b"x")[:-1] + b"?" + good[33:],
        good[:33] + struct.pack(">I4s", 2**31 - 1, b"tEXt") + good[33:],
        good[:33] + chunk(b"tEXt") * 100 + good[33:],
        good[:8] + chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 5, 8, 2, 0, 0, 0)) + good[33:],
        good[:8] + chunk(b"IHDR", struct.pack(">IIBBBBB", 7, 5, 3, 2, 0, 0, 0)) + good[33:],
        good[:8] + chunk(b"IHDR", struct.pack(">IIBBBBB", 7, 5, 8, 2, 1, 0, 0)) + good[33:],
    ]
    assert [plain_png(each) for each in broken] == [None] * len(broken)
