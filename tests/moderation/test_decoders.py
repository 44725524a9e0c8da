"""What stands encoded in a text is read, within bounds that hold against hostile text."""

from __future__ import annotations

import base64
import codecs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mintmark.moderation.decoders import MAX_DECODED, MAX_PIECE, MAX_PIECES, hidden, rot13


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "text",
    [
        encoded("a red fox"),
        f"draw {encoded('a red fox')} please",
        encoded("a red fox").rstrip("="),
        base64.urlsafe_b64encode(b"a red fox").decode(),
        b"a red fox".hex(),
        b"a red fox".hex(" "),
        "0x" + b"a red fox".hex(),
        "%61%20red%20fox",
        "&#97; red fox",
        "\\u0061 red fox",
        "\\x61 red fox",
        encoded(encoded("a red fox")),
    ],
)
def test_an_encoded_text_is_read(text: str) -> None:
    assert any("a red fox" in each for each in hidden(text))


@pytest.mark.parametrize(
    "text", ["masterpiece, photorealistic", "1024x1024, 8k", "IMG_20240101_120000.JPG", "", "deadbeef"]
)
def test_a_plain_text_hides_nothing(text: str) -> None:
    assert hidden(text) == ()


def test_rot13_is_the_one_that_everybody_knows() -> None:
    assert rot13("a red fox, 8k") == codecs.encode("a red fox, 8k", "rot13")


def test_three_layers_are_one_too_many() -> None:
    assert not any("a red fox" in each for each in hidden(encoded(encoded(encoded("a red fox")))))


@pytest.mark.parametrize(
    "text",
    [
        " ".join(encoded(f"a red fox {place}") for place in range(400)),
        encoded("fox " * 5000),
        encoded(" ".join(encoded(f"a red fox {place}") for place in range(60))),
        "%61" * 10_000,
        "Aa0" * 10_000,
    ],
)
def test_hostile_text_buys_no_work_beyond_the_bounds(text: str) -> None:
    found = hidden(text[:32_000])
    assert len(found) <= MAX_PIECES
    assert sum(map(len, found)) <= MAX_DECODED


def test_a_piece_beyond_the_bound_is_left() -> None:
    assert hidden(encoded("f" * MAX_PIECE)) == ()


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_survived(text: str) -> None:
    assert sum(map(len, hidden(text))) <= MAX_DECODED
