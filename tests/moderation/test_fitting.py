"""An image is sent as it is where the service takes it so, and otherwise as the same picture that it does take."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from mintmark.errors import InvalidInput
from mintmark.moderation.fitting import Takes, fitted

TAKES = Takes(media_types=frozenset({"image/png", "image/jpeg"}), most_bytes=100_000, least_side=50, most_side=2000)


def file(width: int, height: int, kind: str = "PNG", mode: str = "RGB") -> bytes:
    out = BytesIO()
    Image.new(mode, (width, height), (40, 90, 160, 255)[: len(mode)]).save(out, kind)
    return out.getvalue()


def noise(side: int) -> bytes:
    """A file that hardly gets smaller by packing."""
    out = BytesIO()
    Image.effect_noise((side, side), 120).convert("RGB").save(out, "PNG")
    return out.getvalue()


def test_what_fits_goes_byte_for_byte() -> None:
    for size in ((50, 50), (2000, 51)):
        assert fitted(file(*size), "image/png", TAKES) == file(*size)


@pytest.mark.parametrize(
    ("size", "made"),
    [
        ((8, 8), (50, 50)),
        ((40, 80), (50, 80)),
        ((4000, 2000), (1600, 800)),
        ((2400, 60), (1600, 50)),
        ((100_000, 1), (1600, 50)),
    ],
)
def test_what_is_too_small_or_too_large_is_scaled(size: tuple[int, int], made: tuple[int, int]) -> None:
    with Image.open(BytesIO(fitted(file(*size), "image/png", TAKES))) as picture:
        assert (picture.format, picture.size) == ("JPEG", made)


def test_another_kind_is_sent_as_jpeg_with_its_colours() -> None:
    with Image.open(BytesIO(fitted(file(64, 64, "WEBP", "RGBA"), "image/webp", TAKES))) as picture:
        assert picture.format == "JPEG"
        assert max(abs(a - b) for a, b in zip(picture.getpixel((9, 9)), (40, 90, 160), strict=True)) < 8  # type: ignore[arg-type]


def test_what_is_too_heavy_becomes_light_enough() -> None:
    heavy = noise(1700)
    takes = Takes(media_types=frozenset({"image/png"}), most_bytes=4 * 1024 * 1024, least_side=50)
    assert len(heavy) > takes.most_bytes / 2
    light = fitted(heavy, "image/webp", takes)
    assert len(light) <= takes.most_bytes


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7", file(64, 64)[:60]])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        fitted(data, "image/webp", TAKES)
