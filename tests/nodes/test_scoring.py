"""Scores and fingerprints of pictures, and a user's own scorer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from mintmark.errors import InvalidInput
from mintmark.nodes.scorer import scored
from mintmark.nodes.scoring import distance, fingerprint, scores, unlike

Pixels = np.ndarray[Any, Any]


@pytest.fixture
def photo() -> Pixels:
    """Something with edges, shades and colours: what a photograph has."""
    rng = np.random.default_rng(3)
    coarse = rng.integers(40, 215, (9, 12, 3), np.uint8)
    image = Image.fromarray(coarse).resize((384, 288), Image.Resampling.NEAREST)
    noise = rng.normal(0, 8, (288, 384, 1))
    return np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)


def after(photo: Pixels, change: Any) -> dict[str, float]:
    return scores(np.asarray(change(Image.fromarray(photo))))


def test_every_score_is_between_0_and_1(photo: Pixels) -> None:
    for picture in (photo, np.zeros_like(photo), np.full_like(photo, 255), photo[:1, :1], photo[:2, :200]):
        assert all(0 <= value <= 1 for value in scores(picture).values())


def test_a_blurred_picture_is_less_sharp_whatever_its_size(photo: Pixels) -> None:
    soft = after(photo, lambda image: image.filter(ImageFilter.GaussianBlur(4)))
    large = after(photo, lambda image: image.resize((1536, 1152), Image.Resampling.BICUBIC))
    assert soft["sharpness"] < scores(photo)["sharpness"] / 3
    assert large["sharpness"] > soft["sharpness"]


@pytest.mark.parametrize("factor", [0.1, 2.5])
def test_drowned_and_burnt_out_pictures_are_worse_exposed(photo: Pixels, factor: float) -> None:
    assert after(photo, lambda image: image.point(lambda v: v * factor))["exposure"] < scores(photo)["exposure"] - 0.2


def test_a_grey_picture_has_no_colour(photo: Pixels) -> None:
    grey = after(photo, lambda image: image.convert("L").convert("RGB"))
    assert grey["colourfulness"] == pytest.approx(0, abs=1e-3)
    assert scores(photo)["colourfulness"] > 0.3


def test_a_flat_picture_has_less_contrast(photo: Pixels) -> None:
    flat = after(photo, lambda image: image.point(lambda v: 100 + v * 0.2))
    assert flat["contrast"] < scores(photo)["contrast"] / 2


def test_copies_have_nearly_the_same_fingerprint(photo: Pixels, tmp_path: Path) -> None:
    image = Image.fromarray(photo)
    image.save(tmp_path / "copy.jpg", quality=60)
    copies = [image.resize((100, 75)), image.point(lambda v: v * 0.7), Image.open(tmp_path / "copy.jpg")]
    assert all(distance(fingerprint(photo), fingerprint(np.asarray(copy))) <= 4 for copy in copies)


def test_other_pictures_have_other_fingerprints(photo: Pixels) -> None:
    others = [np.random.default_rng(seed).integers(0, 256, (64, 64, 3), np.uint8) for seed in range(20)]
    assert all(distance(fingerprint(photo), fingerprint(other)) > 16 for other in others)


def test_the_first_of_those_alike_is_kept() -> None:
    assert unlike([0b0000, 0b0001, 0b1111, 0b1110, 0b0011], 1) == [0, 2, 4]
    assert unlike([7, 7, 7], 0) == [0]


# -- a scorer of one's own ------------------------------------------------------------------------------------------

safetensors = pytest.importorskip("safetensors.numpy", reason="not run: safetensors is not installed")


@pytest.fixture
def scorers(tmp_path: Path) -> Path:
    first, last = np.float32([[1, 0, 0], [0, 2, 0]]), np.float32([[1, -1]])
    layers = {"layers.10.weight": last, "layers.2.weight": first, "layers.2.bias": np.float32([0.5, 0])}
    safetensors.save_file(layers, tmp_path / "head.safetensors")
    safetensors.save_file({"other": np.zeros(3, np.float32)}, tmp_path / "none.safetensors")
    safetensors.save_file({"a.weight": np.zeros((2, 3), np.float32)}, tmp_path / "two.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"{")
    return tmp_path


def test_the_layers_are_applied_in_the_order_of_their_numbers_to_embeddings_of_length_1(scorers: Path) -> None:
    given = np.float32([[3, 4, 0], [0, 10, 0]])
    assert scored(scorers, "head.safetensors", given) == pytest.approx([0.6 + 0.5 - 1.6, 0.5 - 2.0])


@pytest.mark.parametrize(
    ("name", "columns", "told"),
    [
        ("head.safetensors", 5, "takes embeddings of 3 numbers, these have 5"),
        ("none.safetensors", 3, "no linear layers"),
        ("two.safetensors", 3, "gives 2 numbers"),
        ("broken.safetensors", 3, "cannot be read"),
        ("missing.safetensors", 3, "there is no missing.safetensors"),
        ("../head.safetensors", 3, "is no file name"),
        ("head.pt", 3, "is no file name"),
        ("a\0.safetensors", 3, "is no file name"),
        ("a" * 300 + ".safetensors", 3, "is no file name"),
    ],
)
def test_a_scorer_that_does_not_fit_is_refused_by_name(scorers: Path, name: str, columns: int, told: str) -> None:
    with pytest.raises(InvalidInput, match="scorer") as refused:
        scored(scorers, name, np.ones((2, columns), np.float32))
    assert told in refused.value.message


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_embeddings_that_are_no_numbers_are_refused(scorers: Path, value: float) -> None:
    with pytest.raises(InvalidInput, match="embeddings"):
        scored(scorers, "head.safetensors", np.full((2, 3), value, np.float32))
