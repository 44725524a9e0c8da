from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.errors import BadRange
from mintmark.storage.assets.base import Asset, Span
from mintmark.storage.assets.links import Link
from mintmark.storage.assets.serving import (
    byte_range,
    content_range,
    disposition,
    etag,
    headers,
    not_modified,
    ranges_hold,
    safe_name,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
DIGEST = "ab" * 32
ASSET = Asset(DIGEST, 1000, "image/png")


def link(seconds: float = 60, name: str = "fox", thumbnail: bool = False) -> Link:
    return Link(digest=DIGEST, name=name, thumbnail=thumbnail, expires_at=NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("asked", "span"),
    [
        (None, None),
        ("", None),
        ("bytes=0-", Span(0, 1000)),
        ("bytes=0-0", Span(0, 1)),
        ("bytes=10-19", Span(10, 10)),
        ("bytes=990-5000", Span(990, 10)),
        ("bytes=-10", Span(990, 10)),
        ("bytes=-5000", Span(0, 1000)),
        ("bytes=999-", Span(999, 1)),
        ("bytes=20-10", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("items=0-1", None),
        ("bytes=a-b", None),
        ("bytes=٣-", None),
        (f"bytes={'9' * 40}-", None),
    ],
)
def test_a_range_is_read_or_the_whole_is_given(asked: str | None, span: Span | None) -> None:
    assert byte_range(asked, 1000) == span


@pytest.mark.parametrize(
    ("asked", "size"), [("bytes=1000-", 1000), ("bytes=-0", 1000), ("bytes=0-", 0), ("bytes=-5", 0)]
)
def test_a_part_that_is_not_there_is_refused_with_the_size(asked: str, size: int) -> None:
    with pytest.raises(BadRange) as caught:
        byte_range(asked, size)
    assert caught.value.data["size"] == size


@given(st.text(alphabet="bytes=-0123456789, ", max_size=30), st.integers(0, 10**6))
def test_a_range_never_leaves_the_file(asked: str, size: int) -> None:
    try:
        span = byte_range(asked, size)
    except BadRange:
        return
    assert span is None or (0 <= span.start < size and 0 < span.length <= size - span.start)


def test_a_part_says_where_it_is_from() -> None:
    assert content_range(Span(10, 5), 1000) == "bytes 10-14/1000"


def test_the_tag_is_the_digest_and_the_small_picture_has_another() -> None:
    assert etag(DIGEST) == f'"{DIGEST}"' != etag(DIGEST, thumbnail=True)
    assert not_modified(f'"x", W/{etag(DIGEST)}', etag(DIGEST))
    assert not_modified("*", etag(DIGEST))
    assert not not_modified(None, etag(DIGEST))
    assert not not_modified('"x"', etag(DIGEST))
    assert ranges_hold(None, etag(DIGEST)) and ranges_hold(etag(DIGEST), etag(DIGEST))
    assert not ranges_hold('"x"', etag(DIGEST))


def test_a_cache_keeps_it_as_long_as_the_link_is_good_and_no_longer() -> None:
    assert headers(ASSET, link(60), NOW)["Cache-Control"] == "public, max-age=60, immutable"
    assert headers(ASSET, link(10**10), NOW)["Cache-Control"] == "public, max-age=31536000, immutable"
    assert headers(ASSET, link(-5), NOW)["Cache-Control"] == "public, max-age=0, immutable"


def test_a_browser_is_told_to_guess_and_run_nothing() -> None:
    told = headers(ASSET, link(), NOW)
    assert told["X-Content-Type-Options"] == "nosniff"
    assert told["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert told["Content-Type"] == "image/png"
    assert headers(ASSET, link(thumbnail=True), NOW)["Content-Type"] == "image/webp"


def test_what_is_no_picture_is_downloaded() -> None:
    told = headers(Asset(DIGEST, 5, "application/octet-stream"), link(name="page.html"), NOW)
    assert told["Content-Disposition"].startswith("attachment;")


@pytest.mark.parametrize(
    ("name", "became"),
    [
        ("fox", "fox.png"),
        ("fox.png", "fox.png"),
        ("a b", "a b.png"),
        ("../../etc/passwd", "passwd.png"),
        ("C:\\x\\evil.exe", "evil.exe.png"),
        ("x\r\nSet-Cookie: a=b", "x__Set-Cookie_ a=b.png"),
        ('a"; filename="b.html', "a_; filename=_b.html.png"),
        ("\u202egnp.exe", "_gnp.exe.png"),
        ("", "file.png"),
        (" . ", "file.png"),
        ("é", "é.png"),
        ("x" * 500, "x" * 150 + ".png"),
    ],
)
def test_a_name_stays_a_name(name: str, became: str) -> None:
    assert safe_name(name, "image/png") == became


@given(st.text(max_size=300), st.sampled_from(["image/png", "application/octet-stream"]))
def test_no_name_breaks_out_of_its_header(name: str, kind: str) -> None:
    told = disposition(name, kind)
    assert re.fullmatch(
        r"(inline|attachment); filename=\"[A-Za-z0-9._ -]+\"; filename\*=UTF-8''[A-Za-z0-9._~%-]+", told
    )
