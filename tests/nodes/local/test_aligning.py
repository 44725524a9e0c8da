"""Straightening faces and putting them back: the transforms, and pixels that went there and back."""

from __future__ import annotations

import cmath
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="not run: needs the extra local")

from mintmark.nodes.local.aligning import (
    MIDDLE,
    SIDE,
    TEMPLATE,
    Similarity,
    by_box,
    by_points,
    put_back,
    straightened,
)

Pixels = np.ndarray[Any, Any]
FIT = Similarity(cmath.rect(2.0, 0.3), 20 - 30j)


def smooth(height: int, width: int) -> Pixels:
    """A picture without detail that resampling would lose."""
    down, across = np.meshgrid(np.arange(height) / height, np.arange(width) / width, indexing="ij")
    return np.stack([down, across, (down + across) / 2], axis=-1).astype(np.float32)


@settings(deadline=None)
@given(st.floats(0.1, 8), st.floats(-3.1, 3.1), st.complex_numbers(max_magnitude=2000, allow_nan=False))
def test_points_that_were_only_turned_scaled_and_moved_fit_exactly(scale: float, angle: float, shift: complex) -> None:
    there = Similarity(cmath.rect(scale, angle), shift)
    found = by_points([there(each) for each in TEMPLATE])
    assert all(abs(found(there(each)) - each) < 1e-4 for each in TEMPLATE)
    assert abs(found.scale - 1 / scale) < 1e-6


def test_a_face_is_never_mirrored() -> None:
    """The best fit to mirrored points that mirrors nothing keeps a left-handed turn left-handed."""
    found = by_points([each.conjugate() for each in TEMPLATE])
    first, second = found(1) - found(0), found(1j) - found(0)
    assert (first.conjugate() * second).imag > 0


def test_the_inverse_goes_back() -> None:
    assert abs(FIT.inverse()(FIT(12 + 34j)) - (12 + 34j)) < 1e-9
    assert abs(FIT.after(5 + 6j)(0j) - FIT(5 + 6j)) < 1e-9


def test_a_box_is_put_where_a_face_without_points_is_expected() -> None:
    fit = by_box(100, 50, 80, 120)
    assert abs(fit(140 + 110j) - MIDDLE) < 1e-9
    assert fit(140 + 110j - 60j).imag == pytest.approx(MIDDLE.imag - 180)


def test_a_straightened_face_shows_each_point_where_it_was_sent() -> None:
    image = smooth(300, 400)
    face = straightened(image, FIT)
    assert face.shape == (SIDE, SIDE, 3)
    for point in (100 + 60j, 150 + 80j, 120 + 120j):
        to = FIT(point)
        assert 0 < to.real < SIDE and 0 < to.imag < SIDE
        assert face[int(to.imag), int(to.real)] == pytest.approx(image[int(point.imag), int(point.real)], abs=0.01)


@pytest.mark.parametrize("scale", [0.4, 1.0, 2.6])
def test_a_face_that_nobody_changed_goes_back_as_it_was(scale: float) -> None:
    image = smooth(700, 800)
    fit = Similarity(cmath.rect(scale, -0.4), 30 + 5j)
    after = image.copy()
    put_back(after, straightened(image, fit), fit, 1.0)
    assert abs(after - image).max() < 0.01


def test_only_what_the_face_covers_changes_and_it_fades_out() -> None:
    image = np.zeros((400, 400, 3), np.float32)
    fit = Similarity(2 + 0j, -200 - 200j)
    put_back(image, np.ones((SIDE, SIDE, 3), np.float32), fit, 1.0)
    changed = np.argwhere(image[..., 0] > 0)
    assert changed.min() >= 100 and changed.max() < 100 + SIDE // 2
    assert (image[150:300, 150:300] == 1).all()
    assert image[228, 102:130, 0].tolist() == sorted(image[228, 102:130, 0].tolist())


def test_half_of_it_is_halfway() -> None:
    image = np.zeros((400, 400, 3), np.float32)
    put_back(image, np.ones((SIDE, SIDE, 3), np.float32), Similarity(2 + 0j, -200 - 200j), 0.5)
    assert image[228, 228] == pytest.approx(0.5)


def test_a_face_of_finer_resolution_is_put_back_at_its_place() -> None:
    """A network that also enlarges answers with 1024x1024 for 512x512."""
    image = smooth(300, 300)
    fit = Similarity(2 + 0j, -100 - 100j)
    plain, fine = image.copy(), image.copy()
    face = straightened(image, fit)
    put_back(plain, face, fit, 1.0)
    put_back(fine, np.repeat(np.repeat(face, 2, axis=0), 2, axis=1), fit, 1.0)
    assert abs(plain - fine).max() < 0.01


def test_a_face_beyond_the_picture_changes_nothing() -> None:
    image = smooth(60, 60)
    after = image.copy()
    put_back(after, np.ones((SIDE, SIDE, 3), np.float32), Similarity(1 + 0j, 5000 + 0j), 1.0)
    assert (after == image).all()


def test_a_large_face_is_made_smaller_without_aliasing() -> None:
    """Stripes of one pixel become grey, not stripes of another width."""
    image = np.zeros((2048, 2048, 3), np.float32)
    image[:, ::2] = 1.0
    face = straightened(image, Similarity(0.25 + 0j, 0j))
    assert abs(face[50:-50, 50:-50] - 0.5).max() < 0.05
