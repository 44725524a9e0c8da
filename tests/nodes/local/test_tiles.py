"""Tiles: they cover a picture, and their weights sum to one wherever they meet."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mintmark.errors import InvalidInput
from mintmark.nodes.local.tiles import Tiling, tiles, weights

SIDES = st.integers(1, 60)


@settings(deadline=None, max_examples=50)
@given(SIDES, SIDES, st.integers(6, 40), st.integers(0, 20), st.integers(1, 3))
def test_weights_sum_to_one_at_every_pixel(height: int, width: int, side: int, overlap: int, scale: int) -> None:
    tiling = Tiling(side=side, overlap=min(overlap, side // 2))
    total = np.zeros((height * scale, width * scale, 1), np.float32)
    for tile in tiles(height, width, tiling):
        total[tile.scaled(scale)] += weights(tile, height, width, tiling, scale)
    assert abs(total - 1).max() < 1e-6


@settings(deadline=None, max_examples=50)
@given(SIDES, SIDES, st.integers(8, 40))
def test_no_tile_is_larger_than_it_may_be_and_inner_ones_overlap(height: int, width: int, side: int) -> None:
    tiling = Tiling(side=side, overlap=side // 4)
    for tile in tiles(height, width, tiling):
        assert tile.rows.stop - tile.rows.start == min(side, height)
        assert tile.columns.stop - tile.columns.start == min(side, width)
    starts = tiling.starts(width)
    assert all(before + side - after >= side // 4 for before, after in pairwise(starts))


def test_the_outer_quarter_of_an_overlap_counts_for_nothing() -> None:
    tiling = Tiling(side=32, overlap=16)
    first, second = tiles(1, 48, tiling)
    left, right = (weights(each, 1, 48, tiling, 1)[0, :, 0] for each in (first, second))
    assert (left[28:] == 0).all() and (right[:4] == 0).all()
    assert (left[:20] == 1).all() and (right[12:] == 1).all()
    assert (np.diff(left) <= 0).all() and (np.diff(right) >= 0).all()


def test_a_picture_that_fits_is_one_tile() -> None:
    assert len(list(tiles(40, 64, Tiling(side=64, overlap=8)))) == 1


def test_half_as_large_keeps_an_overlap_that_fits() -> None:
    assert Tiling(side=128, overlap=64).smaller() == Tiling(side=64, overlap=32)
    assert Tiling(side=512, overlap=32).smaller() == Tiling(side=256, overlap=32)


@pytest.mark.parametrize("overlap", [-1, 33])
def test_an_overlap_of_more_than_half_a_tile_is_refused(overlap: int) -> None:
    with pytest.raises(InvalidInput, match="overlap"):
        Tiling(side=64, overlap=overlap)
