"""Images that stand in an answer itself, and what may be told of what is no address."""

from __future__ import annotations

import base64
from io import BytesIO

import pytest
from PIL import Image, features

from mintmark.errors import BadAnswer
from mintmark.providers.base import ResultImage
from mintmark.providers.imagefile import is_whole, media_type
from mintmark.providers.inline import check_some, decoded, image_at, image_in
from mintmark.providers.urls import place


def file(kind: str = "PNG") -> bytes:
    out = BytesIO()
    Image.new("RGB", (48, 32), (200, 40, 90)).save(out, kind)
    return out.getvalue()


PNG = file()


def uri(data: bytes, head: str = "data:image/png;base64,") -> str:
    return head + base64.b64encode(data).decode()


@pytest.mark.parametrize("head", ["data:image/png;base64,", "DATA:image/png;base64,", "data:;base64,"])
def test_a_data_uri_is_the_image_and_no_address(head: str) -> None:
    found = image_at(uri(PNG, head), kind="image/webp", seed=7, blocked=True)
    assert found == ResultImage(data=PNG, media_type="image/png", seed=7, blocked=True)


def test_an_address_stays_one() -> None:
    found = image_at("https://v3.fal.media/a.png", kind="image/png", seed=3)
    assert found == ResultImage(url="https://v3.fal.media/a.png", media_type="image/png", seed=3)


@pytest.mark.parametrize("text", ["not base64!", 7, None, ""])
def test_what_is_no_base64_is_nothing(text: object) -> None:
    assert decoded(text) == b""
    assert image_in(text) == ResultImage(data=b"")


def bad(found: bytes | None) -> BadAnswer:
    return BadAnswer("It is broken.", file=found)


def test_one_that_is_broken_alone_is_an_error_with_what_came() -> None:
    with pytest.raises(BadAnswer) as caught:
        check_some([ResultImage(data=PNG[:40])], bad)
    assert caught.value.file == PNG[:40]
    with pytest.raises(BadAnswer) as caught:
        check_some([ResultImage(data=b"")], bad)
    assert caught.value.file is None


def test_of_several_one_that_is_broken_takes_nothing_from_the_others() -> None:
    check_some([ResultImage(data=PNG), ResultImage(data=PNG[:40])], bad)
    check_some([ResultImage(data=PNG[:40]), ResultImage(url="https://v3.fal.media/a.png")], bad)
    check_some([ResultImage(data=PNG[:40]), ResultImage(blocked=True)], bad)


@pytest.mark.skipif(not features.check("avif"), reason="not run: this Pillow writes no AVIF")
def test_an_avif_is_known_and_one_that_is_cut_is_not_whole() -> None:
    data = file("AVIF")
    assert media_type(data) == "image/avif"
    assert is_whole(data)
    for length in (12, 20, 60, len(data) // 2, len(data) - 1):
        assert not is_whole(data[:length]), length


@pytest.mark.parametrize(
    "boxes",
    [
        b"\x00\x00\x00\x10ftypavif\x00\x00\x00\x00",
        b"\x00\x00\x00\x10ftypavif\x00\x00\x00\x00\x00\x00\x00\x04meta\x00\x00\x00\x08mdat",
    ],
)
def test_boxes_that_lead_nowhere_are_no_avif(boxes: bytes) -> None:
    assert not is_whole(boxes)


def test_the_last_box_may_go_to_the_end_and_a_size_may_be_long() -> None:
    head = b"\x00\x00\x00\x10ftypavif\x00\x00\x00\x00"
    meta = b"\x00\x00\x00\x01meta" + (20).to_bytes(8, "big") + b"abcd"
    assert is_whole(head + meta + b"\x00\x00\x00\x00mdat" + b"x" * 30)
    assert not is_whole(head + meta)


@pytest.mark.parametrize("odd", [uri(PNG), "file:///etc/passwd", "", "gopher://a/b", "http://", "https://[::1"])
def test_of_what_is_no_address_nothing_is_told(odd: str) -> None:
    assert place(odd) == "what is no URL"


def test_a_long_address_is_told_in_part() -> None:
    told = place("https://media.example/" + "a" * 10_000)
    assert told.startswith("media.example/aaa") and len(told) <= 301
