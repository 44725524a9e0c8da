"""Visible labels: where they stand, whether they can be read, what they leave alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mintmark.errors import InvalidInput
from mintmark.nodes.hiding import blurred, placeholder
from mintmark.nodes.label import POSITIONS
from mintmark.nodes.labelling import READABLE, Label, colours, contrast, labelled

Pixels = np.ndarray[Any, Any]


def plain(grey: int, height: int = 240, width: int = 320, channels: int = 3) -> Pixels:
    return np.full((height, width, channels), grey, np.uint8)


def changed(before: Pixels, after: Pixels) -> tuple[float, float]:
    """The middle of what was changed, as parts of height and width."""
    rows, columns = np.nonzero((before[..., :3] != after[..., :3]).any(axis=-1))
    return float(rows.mean() / before.shape[0]), float(columns.mean() / before.shape[1])


@pytest.mark.parametrize("position", POSITIONS)
def test_a_label_stands_where_it_is_told_to(position: str) -> None:
    picture = plain(120)
    down, across = changed(picture, labelled(picture, Label(text="AI", position=position)))
    upright, _, sideways = position.partition(" ")
    assert {"top": down < 0.3, "bottom": down > 0.7, "centre": 0.4 < down < 0.6}[upright]
    assert {"left": across < 0.3, "right": across > 0.7}.get(sideways, 0.4 < across < 0.6)


@pytest.mark.parametrize("grey", [0, 30, 90, 119, 128, 200, 255])
@pytest.mark.parametrize("badge", [True, False])
def test_the_letters_can_be_read_on_every_ground(grey: int, badge: bool) -> None:
    picture = plain(grey)
    after = labelled(picture, Label(text="AI generated", badge=badge, size=0.1))
    greys = after[(picture != after).any(axis=-1)][:, 0]
    darkest, brightest = int(greys.min()), int(greys.max())
    bare = not badge and contrast(colours(picture)[0], picture) >= READABLE
    ground = grey if bare else (darkest if colours(picture)[0] == 255 else brightest)
    ink = max((darkest, brightest), key=lambda shade: abs(shade - ground))
    assert contrast(ink, plain(ground)) >= READABLE


def test_a_lighter_label_changes_less() -> None:
    picture = plain(60)
    changes = [
        float(abs(labelled(picture, Label(text="AI", opacity=opacity)).astype(int) - picture).sum())
        for opacity in (0.2, 0.6, 1.0)
    ]
    assert changes == sorted(changes)
    assert changes[0] > 0


def test_only_the_label_is_changed_and_the_picture_given_stays_as_it_is() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8)
    before = picture.copy()
    after = labelled(picture, Label(text="AI"))
    assert (picture == before).all()
    assert (after[:150] == before[:150]).all()


def test_a_label_on_a_transparent_picture_can_be_seen() -> None:
    picture = plain(0, channels=4)
    after = labelled(picture, Label(text="AI"))
    assert after[..., 3].max() == 255
    assert after[:100, :, 3].max() == 0


@pytest.mark.parametrize(
    ("label", "told"),
    [
        (Label(text="  "), "is empty"),
        (Label(text="x" * 201), "at most 200"),
        (Label(text="a\nb"), "one line"),
        (Label(text="\U000105c0AI\U000105c1"), "can draw \U000105c0 \U000105c1"),
        (Label(text="a very long label indeed, wider than the picture", size=0.2), "the picture is 320x240"),
    ],
)
def test_a_label_that_cannot_be_drawn_names_the_reason(label: Label, told: str) -> None:
    with pytest.raises(InvalidInput, match=told) as refused:
        labelled(plain(99), label)
    assert refused.value.hint


def test_letters_that_the_own_font_lacks_are_drawn_with_one_of_the_systems() -> None:
    label = Label(text="généré par IA äöüß")
    try:
        after = labelled(plain(99), label)
    except InvalidInput:
        pytest.skip("not run: this system has no font with such letters")
    lacking = labelled(plain(99), Label(text="gnr par IA "))
    assert (after != lacking).any()


def test_a_blurred_picture_keeps_its_size_and_nothing_else_can_be_told() -> None:
    picture = np.random.default_rng(2).integers(0, 256, (300, 200, 3), np.uint8)
    picture[100:200, 50:150] = 255
    hidden = blurred(picture)
    assert hidden.shape == picture.shape
    lines = abs(np.diff(hidden.astype(int), axis=0)).max()
    assert lines < 30, "no edge is left"


@pytest.mark.parametrize("shape", [(512, 512, 3), (16, 16, 3), (400, 300, 4)])
def test_a_placeholder_shows_nothing_of_the_picture(shape: tuple[int, int, int]) -> None:
    first = placeholder(np.zeros(shape, np.uint8), "blocked")
    second = placeholder(np.full(shape, 255, np.uint8), "blocked")
    assert first.shape == shape
    assert (first == second).all()
