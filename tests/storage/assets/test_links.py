from __future__ import annotations

from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from mintmark.errors import LinkExpired, LinkForged
from mintmark.storage.assets.links import Disposition, Link, Links, steady_expiry

NOW = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
LATER = NOW + timedelta(hours=1)
DIGEST = "ab" * 32
LINKS = Links([b"s" * 32], "https://cdn.example.com/")


def opened(url: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(url)
    return parts.path.rpartition("/")[2], dict(parse_qsl(parts.query, strict_parsing=True))


def check(url: str, links: Links = LINKS, now: datetime = NOW) -> Link:
    return links.check(*opened(url), now)


def test_a_link_says_what_it_was_made_for() -> None:
    url = LINKS.url(DIGEST, expires_at=LATER, name="fox 1.png", thumbnail=True, disposition="attachment")
    assert url.startswith(f"https://cdn.example.com/v1/assets/{DIGEST}?")
    assert check(url) == Link(
        digest=DIGEST, name="fox 1.png", disposition="attachment", thumbnail=True, expires_at=LATER
    )


@given(name=st.text(max_size=200), thumbnail=st.booleans(), shown=st.sampled_from(["inline", "attachment"]))
def test_whatever_it_says_comes_back(name: str, thumbnail: bool, shown: Disposition) -> None:
    name = name.encode("utf-8", "ignore").decode()
    link = check(LINKS.url(DIGEST, expires_at=LATER, name=name, thumbnail=thumbnail, disposition=shown))
    assert (link.name, link.thumbnail, link.disposition) == (name, thumbnail, shown)


def test_a_link_ends() -> None:
    url = LINKS.url(DIGEST, expires_at=LATER)
    assert check(url, now=LATER - timedelta(seconds=1)).expires_at == LATER
    with pytest.raises(LinkExpired):
        check(url, now=LATER)


def altered() -> list[tuple[str, dict[str, str]]]:
    digest, query = opened(LINKS.url(DIGEST, expires_at=LATER, name="a.png"))
    changes: list[dict[str, str]] = [
        {"expires": "99999999999"},
        {"expires": query["expires"] + "0"},
        {"expires": " " + query["expires"]},
        {"expires": "-1"},
        {"expires": "٣"},
        {"expires": "1e9"},
        {"name": "b.png"},
        {"disposition": "attachment"},
        {"disposition": "inline; x"},
        {"thumbnail": "1"},
        {"thumbnail": "0"},
        {"signature": "0" * 64},
        {"signature": query["signature"].upper()},
        {"signature": query["signature"][:-1]},
        {"signature": ""},
        {"signature": "é"},
        {"more": "1"},
    ]
    found = [(digest, {**query, **change}) for change in changes]
    found += [(digest, {name: value for name, value in query.items() if name != left}) for left in query]
    return [*found, ("cd" * 32, query), ("../" + digest, query), (digest.upper(), query), ("", query), (digest, {})]


@pytest.mark.parametrize(("digest", "query"), altered())
def test_a_link_that_was_changed_anywhere_is_forged(digest: str, query: dict[str, str]) -> None:
    with pytest.raises(LinkForged):
        LINKS.check(digest, query, NOW)


def test_a_name_that_stands_twice_is_forged() -> None:
    digest, query = opened(LINKS.url(DIGEST, expires_at=LATER, name="a.png"))
    twice = MultiDict(query)
    twice.add("name", "b.html")
    with pytest.raises(LinkForged):
        LINKS.check(digest, twice, NOW)


def test_no_two_links_are_signed_alike() -> None:
    one = LINKS.url(DIGEST, expires_at=LATER, name='x", "thumbnail": "1')
    other = LINKS.url(DIGEST, expires_at=LATER, name="x", thumbnail=True)
    assert opened(one)[1]["signature"] != opened(other)[1]["signature"]


def test_an_expired_forgery_is_a_forgery() -> None:
    digest, query = opened(LINKS.url(DIGEST, expires_at=NOW - timedelta(days=1)))
    with pytest.raises(LinkForged):
        LINKS.check(digest, {**query, "name": "b"}, NOW)


def test_a_rotation_breaks_no_link_and_the_next_one_does() -> None:
    url = LINKS.url(DIGEST, expires_at=LATER)
    assert check(url, Links([b"n" * 32, b"s" * 32], "https://x.example")).digest == DIGEST
    with pytest.raises(LinkForged):
        check(url, Links([b"m" * 32, b"n" * 32], "https://x.example"))


def test_who_asks_again_soon_gets_the_same_link() -> None:
    life = timedelta(hours=4)
    expiries = {steady_expiry(NOW + timedelta(minutes=minute), life) for minute in range(59)}
    assert len(expiries) <= 2
    for minute in range(0, 600, 7):
        at = NOW + timedelta(minutes=minute)
        assert life <= steady_expiry(at, life) - at <= life * 1.25


def test_the_secret_is_not_shown() -> None:
    assert "s" * 32 not in repr(LINKS)
