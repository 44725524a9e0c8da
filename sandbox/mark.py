"""The word SANDBOX over a picture, again and again, so that any crop of half its width and height still has one whole.

The letters are a 5x7 bitmap font of our own (3x5 for pictures too small for it), turned by the rational rotation
(12, 5, 13), which needs whole numbers only, and drawn with a shadow, light on dark ground and
dark on light: readable on sky and soil.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .brush import Canvas, blend
from .palette import Colour

WORD = "SANDBOX"
_LARGE = {
    "S": (".###.", "#...#", "#....", ".###.", "....#", "#...#", ".###."),
    "A": (".###.", "#...#", "#...#", "#####", "#...#", "#...#", "#...#"),
    "N": ("#...#", "##..#", "##..#", "#.#.#", "#..##", "#..##", "#...#"),
    "D": ("####.", "#...#", "#...#", "#...#", "#...#", "#...#", "####."),
    "B": ("####.", "#...#", "#...#", "####.", "#...#", "#...#", "####."),
    "O": (".###.", "#...#", "#...#", "#...#", "#...#", "#...#", ".###."),
    "X": ("#...#", "#...#", ".#.#.", "..#..", ".#.#.", "#...#", "#...#"),
}
_SMALL = {
    "S": (".##", "#..", ".#.", "..#", "##."),
    "A": (".#.", "#.#", "###", "#.#", "#.#"),
    "N": ("#.#", "###", "###", "###", "#.#"),
    "D": ("##.", "#.#", "#.#", "#.#", "##."),
    "B": ("##.", "#.#", "##.", "#.#", "##."),
    "O": (".#.", "#.#", "#.#", "#.#", ".#."),
    "X": ("#.#", "#.#", ".#.", "#.#", "#.#"),
}
_SUPER = 3  # samples for a quarter of a dot of the font, each way
# Samples that make one pixel: the fewer, the larger the letters. All divide the rotated word's frame evenly enough.
_REDUCTIONS = (1, 2, 3, 4, 5, 6, 8, 9, 12)

_LIGHT: Colour = (255, 255, 255)
_DARK: Colour = (16, 18, 28)
_BRIGHT = 140

Shares = NDArray[np.uint16]


@dataclass(frozen=True)
class Stamp:
    """One mark (how much of each pixel it covers, 0..256) and the lattice it is repeated on."""

    cover: Shares
    period: int
    """Columns between two marks of a row."""
    drop: int
    """Rows between two rows of marks; each row is moved on by ``drift`` columns."""
    drift: int

    def places(self, width: int, height: int) -> list[tuple[int, int]]:
        """The top left corners (x, y) of all marks that touch a picture of this size."""
        tall, wide = self.cover.shape
        rows = range(-1, height // self.drop + 2)
        found = []
        for row in rows:
            y = row * self.drop + self.drop // 3
            start = row * self.drift % self.period - self.period
            found += [(x, y) for x in range(start, width, self.period) if x + wide > 0 and -tall < y < height]
        return found


@lru_cache(maxsize=32)
def stamp_for(width: int, height: int) -> Stamp:
    """The largest mark, up to a quarter of the width, whose lattice puts a whole one into every half-by-half crop."""
    for reduction in _REDUCTIONS:
        found = _lattice(_turned(reduction), width, height, crowd=5)
        if found:
            return found
    for crowd in (5, 3, 2):
        found = _lattice(_upright(), width, height, crowd=crowd)
        if found:
            return found
    # Too small for whole words: best effort, side by side.
    cover = _upright()
    return Stamp(cover, cover.shape[1] + 2, cover.shape[0] * 2, cover.shape[1] // 2)


def _lattice(cover: Shares, width: int, height: int, *, crowd: int) -> Stamp | None:
    """A lattice with one whole mark in every crop of half the width and height; None where there is none.

    In such a crop the mark's corner can lie in a window of ``free_x`` by ``free_y`` pixels. Rows ``drop`` apart, each
    moved on by ``free_x``, meet that window within ``rows`` of them, so ``rows * drop`` must not exceed ``free_y``.
    """
    tall, wide = cover.shape
    free_x, free_y = width // 2 - wide, height // 2 - tall
    if free_x <= 0 or free_y <= 0 or (crowd == 5 and wide * crowd > width * 13 // 10):
        return None
    rows = -(-(wide + wide // crowd) // free_x)
    drop = free_y // rows
    if drop < tall + tall // crowd:
        return None
    return Stamp(cover, free_x * rows, drop, free_x)


def apply(canvas: Canvas, where: NDArray[np.bool_] | None = None) -> None:
    """Draw the marks in place; only inside ``where`` ([H,W]) when it is given."""
    height, width = canvas.shape[:2]
    stamp = stamp_for(width, height)
    shadow = max(1, stamp.cover.shape[1] // 90)
    for x, y in stamp.places(width, height):
        ink, rim = _inks(canvas, x, y, stamp.cover)
        _press(canvas, stamp.cover, (x + shadow, y + shadow), rim, 64, where)
        _press(canvas, stamp.cover, (x, y), ink, 118, where)


def _inks(canvas: Canvas, x: int, y: int, cover: Shares) -> tuple[Colour, Colour]:
    """Letters and their shadow: light ones on a dark ground, dark ones on a light ground."""
    under = canvas[max(0, y) : y + cover.shape[0], max(0, x) : x + cover.shape[1], :3]
    bright = int(under.sum(dtype=np.int64)) > _BRIGHT * under.size
    return (_DARK, _LIGHT) if bright else (_LIGHT, _DARK)


def _press(
    canvas: Canvas,
    cover: Shares,
    corner: tuple[int, int],
    ink: Colour,
    strength: int,
    where: NDArray[np.bool_] | None,
) -> None:
    (x, y), (tall, wide), (height, width) = corner, cover.shape, canvas.shape[:2]
    left, top, right, bottom = max(0, x), max(0, y), min(width, x + wide), min(height, y + tall)
    if left >= right or top >= bottom:
        return
    share = cover[top - y : bottom - y, left - x : right - x] * strength >> 8
    if where is not None:
        share = share * where[top:bottom, left:right]
    blend(canvas[top:bottom, left:right, :3], ink, share.astype(np.uint16))


def _bitmap(font: Mapping[str, tuple[str, ...]]) -> NDArray[np.int64]:
    letters = [np.array([[dot == "#" for dot in row] for row in font[letter]], np.int64) for letter in WORD]
    gap = np.zeros((letters[0].shape[0], 1), np.int64)
    columns = [part for letter in letters for part in (letter, gap)]
    return np.concatenate(columns[:-1], axis=1)


def _doubled(dots: NDArray[np.int64]) -> NDArray[np.int64]:
    """Twice the size with diagonals smoothed: where two neighbours of a corner agree, the corner joins them (EPX)."""
    padded = np.pad(dots, 1)
    up, down, left, right = padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]
    out = np.repeat(np.repeat(dots, 2, axis=0), 2, axis=1)
    for row, column, one, other, away, across in (
        (0, 0, up, left, right, down),
        (0, 1, up, right, left, down),
        (1, 0, down, left, right, up),
        (1, 1, down, right, left, up),
    ):
        joins = (one == other) & (one != away) & (other != across)
        out[row::2, column::2] = np.where(joins, one, dots)
    return out


def _upright() -> Shares:
    return (_bitmap(_SMALL) * 256).astype(np.uint16)


@lru_cache(maxsize=32)
def _turned(reduction: int) -> Shares:
    """The word turned up to the right by atan(5/12), with edges smoothed by counting samples."""
    dots = _doubled(_doubled(_bitmap(_LARGE)))
    tall, wide = dots.shape[0] * _SUPER, dots.shape[1] * _SUPER
    frame_wide = -(-(wide * 12 + tall * 5) // 13 // reduction) * reduction
    frame_tall = -(-(wide * 5 + tall * 12) // 13 // reduction) * reduction
    x = np.arange(frame_wide, dtype=np.int64)[None, :] * 2 - frame_wide
    y = np.arange(frame_tall, dtype=np.int64)[:, None] * 2 - frame_tall
    source_x = (x * 12 - y * 5 + wide * 13) // 26
    source_y = (x * 5 + y * 12 + tall * 13) // 26
    within = (source_x >= 0) & (source_x < wide) & (source_y >= 0) & (source_y < tall)
    samples = dots[np.clip(source_y, 0, tall - 1) // _SUPER, np.clip(source_x, 0, wide - 1) // _SUPER] * within
    blocks = samples.reshape(frame_tall // reduction, reduction, frame_wide // reduction, reduction)
    cover: NDArray[np.int64] = blocks.sum(axis=(1, 3)) * 256 // reduction**2
    return cover.astype(np.uint16)
