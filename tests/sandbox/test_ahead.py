"""A picture that was drawn while its request waited is the one that is fetched; what had no room is drawn then."""

from __future__ import annotations

import pytest

from mintmark.sandbox import ahead
from mintmark.sandbox.ahead import Ahead


async def test_a_picture_is_drawn_once_and_taken_once() -> None:
    drawn: list[str] = []

    def draw() -> bytes:
        drawn.append("one")
        return b"file"

    pictures = Ahead()
    pictures.begin("one", 100, draw)
    assert await pictures.take("one") == b"file"
    assert drawn == ["one"]
    assert await pictures.take("one") is None


async def test_what_has_no_room_is_left_to_be_drawn_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_MOST_PIXELS", 150)
    pictures = Ahead()
    for name in ("one", "two"):
        pictures.begin(name, 100, name.encode)
    assert [await pictures.take(name) for name in ("one", "two")] == [b"one", None]
    pictures.begin("two", 100, "two".encode)
    assert await pictures.take("two") == b"two"


async def test_nobody_comes_for_an_old_picture_so_its_room_is_given_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_MOST_PIXELS", 150)
    monkeypatch.setattr(ahead, "_KEPT_S", -1.0)
    pictures = Ahead()
    for name in ("one", "two"):
        pictures.begin(name, 100, name.encode)
    assert [await pictures.take(name) for name in ("one", "two")] == [None, b"two"]


async def test_what_drawing_raised_is_told_to_who_takes_it() -> None:
    def fail() -> bytes:
        raise ValueError("no such colour")

    pictures = Ahead()
    pictures.begin("one", 100, fail)
    with pytest.raises(ValueError, match="no such colour"):
        await pictures.take("one")


async def test_a_reset_forgets_all() -> None:
    pictures = Ahead()
    pictures.begin("one", 100, "one".encode)
    pictures.clear()
    assert await pictures.take("one") is None
