"""Image bytes are never trusted: kind and size from the header, pixels within the limit, or a named refusal."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from mintmark.errors import ImageTooLarge, NotAnImage
from mintmark.generation.pictures import decode, describe, inspect, pixels_digest

LIMIT = 100 * 100


def image(mode: str = "RGB", kind: str = "PNG", size: tuple[int, int] = (20, 10), **more: object) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, 100).save(out, kind, **more)
    return out.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be huge."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def noise() -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (40, 40, 3), np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(("kind", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")])
def test_kind_and_size_come_from_the_bytes(kind: str, media_type: str) -> None:
    assert inspect(image(kind=kind), max_pixels=LIMIT) == (media_type, 20, 10)


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 3), ("RGBA", 4), ("LA", 4), ("P", 3), ("1", 3)])
def test_pixels_are_rgb_with_alpha_only_where_there_is_some(mode: str, channels: int) -> None:
    pixels = decode(image(mode), max_pixels=LIMIT)
    assert (pixels.shape, pixels.dtype) == ((10, 20, channels), np.uint8)


@pytest.mark.parametrize("size", [(200, 200), (65_000, 65_000), (2_000_000, 2_000_000)])
def test_a_bomb_is_refused_before_it_is_unpacked(size: tuple[int, int]) -> None:
    with pytest.raises(ImageTooLarge):
        decode(bomb(*size), max_pixels=LIMIT)


def test_exactly_the_limit_is_taken() -> None:
    assert inspect(image(size=(100, 100)), max_pixels=LIMIT)[1:] == (100, 100)


@pytest.mark.parametrize(
    "data",
    [b"", b"GIF89a" + b"\0" * 50, b"<svg/>", image()[:20], noise()[:2000], image(kind="JPEG")[:100]],
    ids=["nothing", "GIF", "SVG", "a header", "half a PNG", "the head of a JPEG"],
)
def test_what_is_no_whole_image_is_named_so(data: bytes) -> None:
    with pytest.raises(NotAnImage, match="My file"):
        decode(data, max_pixels=LIMIT, what="My file")


def coloured(mode: str, kind: str) -> bytes:
    """Colours and transparencies of every sort."""
    pixels = np.random.default_rng(2).integers(0, 256, (10, 20, 4), np.uint8)
    out = io.BytesIO()
    seen = Image.fromarray(pixels).convert(mode)
    seen.save(out, kind, **({"transparency": 7} if mode == "P" else {}))
    return out.getvalue()


@pytest.mark.parametrize(
    ("mode", "kind"),
    [(mode, "PNG") for mode in ("RGB", "RGBA", "L", "LA", "P", "1", "I;16")] + [("CMYK", "JPEG"), ("RGBA", "WEBP")],
)
def test_a_description_says_size_kind_and_both_digests(mode: str, kind: str) -> None:
    data = image(mode) if mode == "I;16" else coloured(mode, kind)
    told = describe(data, max_pixels=LIMIT)
    assert (told.media_type, told.width, told.height) == (f"image/{kind.lower()}", 20, 10)
    assert told.pixels_sha256 == pixels_digest(decode(data, max_pixels=LIMIT)[..., :3])


def test_a_pixel_digest_tells_shapes_and_pixels_apart() -> None:
    flat = np.zeros((2, 6, 3), np.uint8)
    assert pixels_digest(flat) == pixels_digest(np.asfortranarray(flat))
    assert pixels_digest(flat) != pixels_digest(flat.reshape(6, 2, 3))
    assert pixels_digest(flat) != pixels_digest(flat + 1)
