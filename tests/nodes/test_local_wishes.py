"""Local Sample's inputs as a request: what is counted and measured of an image or a latent to begin from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mintmark.errors import InvalidInput
from mintmark.nodes.local.families import FAMILIES
from mintmark.nodes.local.recipe import Checkpoint, Recipe
from mintmark.nodes.local_wishes import handed_over, request_of

PLACES = {"flux2-klein": 16}
"""Pixels to a place of the family's LATENT, where they are not 8: ComfyUI has FLUX.2's two by two in one."""


def recipe(family: str) -> Recipe:
    its = Checkpoint(name=family, path=f"/nowhere/{family}", kind="folder", family=family, size=1, stamp=0)
    return Recipe(checkpoint=its)


def noise(*shape: int) -> Any:
    return np.random.default_rng(1).random(shape, dtype=np.float32)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_image_of_a_batch_is_counted_as_often_as_it_is_asked_for(family: str) -> None:
    """What is made and what is set aside for it must be as many: also of a family that looks at images."""
    given = {"image": noise(3, 64, 64, 3), "count": 2}
    own = handed_over(recipe(family), given)
    assert own.batch == 3
    assert request_of(own, "a boat", given).count == 6


@pytest.mark.parametrize("family", FAMILIES)
def test_a_latent_says_the_size_of_the_image(family: str) -> None:
    given = {"latent": {"samples": noise(1, 4, 5, 7)}}
    made = request_of(handed_over(recipe(family), given), "a boat", given)
    place = PLACES.get(family, 8)
    assert (made.width, made.height) == (7 * place, 5 * place)


def test_another_picture_of_the_same_file_is_another_request() -> None:
    """An IMAGE's floats are finer than the 256 levels of the file that the request has of it."""
    image = np.full((1, 64, 64, 3), 0.5, np.float32)
    asked = [{"image": each} for each in (image, image + 1e-5)]
    one, other = (request_of(handed_over(recipe("sd15"), each), "a boat", each) for each in asked)
    assert one.images == other.images
    assert one.digest() != other.digest()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"image": noise(1, 8, 8, 3), "latent": {"samples": noise(1, 4, 8, 8)}}, "latent: there is an image, too"),
        ({"mask": noise(1, 8, 8)}, "mask: there is no image for it"),
        ({"latent": noise(1, 4, 8, 8)}, "latent: a ndarray is none"),
        ({"latent": {"samples": noise(1, 4, 1, 8, 8)}}, "latent: a ndarray is no batch of images"),
        (
            {"latent": {"samples": np.full((1, 4, 8, 8), np.nan, np.float32)}},
            "latent: it holds values that are no numbers",
        ),
        ({"image": 5}, "image: a int is no batch of images"),
        ({"image": noise(0, 8, 8, 3)}, "image: a ndarray is no batch of images"),
    ],
)
def test_what_does_not_go_together_is_refused_by_name(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        handed_over(recipe("sd15"), given)


def test_what_is_no_pipeline_is_refused() -> None:
    with pytest.raises(InvalidInput, match="pipeline: a str is none"):
        handed_over("tiny", {})
