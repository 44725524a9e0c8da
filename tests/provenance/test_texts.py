"""The graph in PNG, JPEG and WebP: in and out without touching a pixel, and nothing else lost."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mintmark.errors import InternalError, NotAnImage
from mintmark.provenance import exif
from mintmark.provenance.texts import bare, fits, read_texts, with_texts, without_credential

KINDS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
TEXTS = {"prompt": '{"1": {"text": "naïve: 工"}}', "workflow": '{"nodes": [1, 2, 3]}'}


def picture(media_type: str, mode: str = "RGB", **options: Any) -> bytes:
    rng = np.random.default_rng(2)
    pixels = rng.integers(0, 255, (20, 30, len(mode)), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, KINDS[media_type], **options)
    return buffer.getvalue()


def opened(data: bytes) -> tuple[np.ndarray[Any, Any], Any, Any]:
    """Pixels, EXIF and colour profile as another program reads them."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return np.asarray(image), image.getexif(), image.info.get("icc_profile")


def exif_with(**values: Any) -> Any:
    made = Image.Exif()
    made[0x0131] = "a camera"
    made[0x0112] = 6
    for tag, value in values.items():
        made[int(tag[1:], 16)] = value
    return made


@pytest.mark.parametrize("media_type", list(KINDS))
def test_texts_go_in_and_come_out_and_no_pixel_moves(media_type: str) -> None:
    plain = picture(media_type)
    written = with_texts(plain, media_type, TEXTS)
    assert read_texts(written, media_type) == TEXTS
    assert (opened(written)[0] == opened(plain)[0]).all()
    assert read_texts(with_texts(written, media_type, TEXTS), media_type) == TEXTS
    assert read_texts(with_texts(written, media_type, {"prompt": "another"}), media_type)["prompt"] == "another"


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/webp"])
def test_other_programs_find_them_where_comfyui_puts_them(media_type: str) -> None:
    ascii_texts = {"prompt": '{"1": 2}', "workflow": '{"nodes": []}', "extra": "[1, 2]"}
    _, found, _ = opened(with_texts(picture(media_type), media_type, ascii_texts))
    assert found[0x0110] == 'prompt:{"1": 2}'
    assert found[0x010F] == 'workflow:{"nodes": []}'
    assert found[0x010E] == "extra:[1, 2]"


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/webp"])
def test_what_exif_said_before_stays(media_type: str) -> None:
    plain = picture(media_type, exif=exif_with(), icc_profile=b"a profile of colours")
    pixels, found, profile = opened(with_texts(plain, media_type, TEXTS))
    assert (found[0x0131], found[0x0112]) == ("a camera", 6)
    assert profile == b"a profile of colours"
    assert (pixels == opened(plain)[0]).all()


def test_a_block_of_the_other_byte_order_is_kept_too() -> None:
    camera = b"a camera\0"
    entry = struct.pack(">HHII", 0x0131, 2, len(camera), 26)
    block = b"MM\0*\0\0\0\x08" + struct.pack(">H", 1) + entry + struct.pack(">I", 0) + camera
    written = with_texts(picture("image/jpeg", exif=b"Exif\0\0" + block), "image/jpeg", TEXTS)
    assert opened(written)[1][0x0131] == "a camera"
    assert read_texts(written, "image/jpeg") == TEXTS


@pytest.mark.parametrize("block", [b"", b"II*\0", b"II*\0\xff\xff\xff\xff" + b"\0" * 20, b"rubbish" * 9])
def test_a_block_that_cannot_be_read_is_replaced(block: bytes) -> None:
    assert exif.read_texts(exif.with_texts(block, TEXTS)) == TEXTS
    assert exif.read_texts(block) == {}


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("lossless", [True, False])
def test_a_webp_of_every_form_takes_them(mode: str, lossless: bool) -> None:
    plain = picture("image/webp", mode, lossless=lossless)
    written = with_texts(plain, "image/webp", TEXTS)
    assert (opened(written)[0] == opened(plain)[0]).all()
    assert read_texts(written, "image/webp") == TEXTS


@pytest.mark.parametrize("media_type", list(KINDS))
def test_a_bare_file_holds_no_words_and_all_of_its_colours(media_type: str) -> None:
    options: dict[str, Any] = {"icc_profile": b"a profile of colours", "exif": exif_with(x010e="a secret prompt")}
    if media_type == "image/jpeg":
        options["comment"] = b"another secret"
    elif media_type == "image/webp":
        options["xmp"] = b"<x>a third secret</x>"
    plain = with_texts(picture(media_type, **options), media_type, {"prompt": "secret"})
    assert b"secret" in plain
    left = bare(plain, media_type)
    assert b"secret" not in left
    assert read_texts(left, media_type) == {}
    pixels, found, profile = opened(left)
    assert (pixels == opened(plain)[0]).all()
    assert dict(found) == {}
    assert profile == b"a profile of colours"


@pytest.mark.parametrize("media_type", list(KINDS))
def test_a_file_without_words_comes_back_byte_by_byte(media_type: str) -> None:
    plain = picture(media_type)
    assert bare(plain, media_type) == plain
    assert without_credential(plain, media_type) == plain


def test_only_a_jpeg_has_a_limit() -> None:
    large = {"workflow": "x" * 70_000}
    assert fits(picture("image/webp"), "image/webp", large)
    assert not fits(picture("image/jpeg"), "image/jpeg", large)
    with pytest.raises(InternalError):
        with_texts(picture("image/jpeg"), "image/jpeg", large)
    almost = {"workflow": "x" * 65_400}
    assert fits(picture("image/jpeg"), "image/jpeg", almost)
    assert read_texts(with_texts(picture("image/jpeg"), "image/jpeg", almost), "image/jpeg") == almost


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/webp"])
def test_what_is_cut_off_is_told_or_read_but_never_breaks(media_type: str) -> None:
    whole = with_texts(picture(media_type), media_type, TEXTS)
    told = 0
    for end in range(len(whole)):
        try:
            read_texts(whole[:end], media_type)
            bare(whole[:end], media_type)
        except NotAnImage:
            told += 1
    assert 0 < told <= len(whole)


def between_the_scans(jpeg: bytes, segment: bytes) -> bytes:
    """The progressive JPEG with this segment before its second scan."""
    first = jpeg.index(b"\xff\xda")
    second = jpeg.index(b"\xff\xda", first + 2)
    return jpeg[:second] + segment + jpeg[second:]


def test_words_that_other_programs_hide_in_a_jpeg_go_too() -> None:
    plain = picture("image/jpeg", progressive=True)
    own = b"\xff\xe7" + struct.pack(">H", 2 + 6) + b"secret"  # APP7 means whatever a program says
    comment = b"\xff\xfe" + struct.pack(">H", 2 + 6) + b"secret"
    hidden = between_the_scans(plain[:2] + own + plain[2:], comment) + b"a second picture: secret" + plain
    assert (opened(hidden)[0] == opened(plain)[0]).all()
    assert bare(hidden, "image/jpeg") == plain


def test_words_that_other_programs_hide_in_a_webp_go_too() -> None:
    plain = picture("image/webp")
    body = plain[8:] + b"prmt" + struct.pack("<I", 6) + b"secret"
    hidden = b"RIFF" + struct.pack("<I", len(body)) + body + b"after the end: secret"
    assert bare(hidden, "image/webp") == plain
    assert bare(plain + b"secret", "image/webp") == plain


def test_words_that_other_programs_hide_in_a_png_go_too() -> None:
    plain = picture("image/png")
    own = struct.pack(">I", 6) + b"prMt" + b"secret" + struct.pack(">I", zlib.crc32(b"prMtsecret"))
    assert bare(plain[:33] + own + plain[33:] + b"after the end: secret", "image/png") == plain


def directory(*entries: bytes) -> bytes:
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(entries) + b"\0" * 4


@pytest.mark.parametrize("count", [1001, 65_535])
def test_a_directory_that_only_keeps_us_busy_is_replaced(count: int) -> None:
    block = directory(*[struct.pack("<HHII", 0x9000, 1, 4, 0)] * count)
    assert exif.read_texts(exif.with_texts(block, TEXTS)) == TEXTS


def test_values_that_share_their_bytes_are_not_multiplied() -> None:
    text = b"prompt:" + b"x" * 50_000
    shared = directory(*[struct.pack("<HHII", 0x0110, 2, len(text), 10 + 12 * 1000 + 4)] * 1000) + text
    assert exif.read_texts(shared) == {}
    assert exif.read_texts(exif.with_texts(shared, TEXTS)) == TEXTS
