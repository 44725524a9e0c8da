"""IMAGE and MASK on their way into a pipeline."""

from __future__ import annotations

import numpy as np
import pytest

from mintmark.errors import InvalidInput

torch = pytest.importorskip("torch", reason="not run: needs the extra local (torch is not installed)")

from mintmark.nodes.local.pictures import channels_first, fitted, mask_first  # noqa: E402

OWN = (64, 64)


@pytest.mark.parametrize("image", [None, "x", np.zeros((2, 2, 3)), np.zeros((1, 2, 2, 2)), np.zeros((0, 2, 2, 3)), {}])
def test_what_is_no_image_is_named(image: object) -> None:
    with pytest.raises(InvalidInput, match=r"image: .* is no batch of images"):
        channels_first(image, "image")


def test_what_is_no_number_counts_as_black_and_what_is_too_bright_as_white() -> None:
    image = torch.tensor([float("nan"), 2.0, -1.0]).reshape(1, 1, 1, 3)
    assert channels_first(image, "image").flatten().tolist() == [0.0, 1.0, 0.0]


def test_an_image_is_not_changed_for_its_caller() -> None:
    image = np.full((1, 2, 2, 3), 2.0, np.float32)
    channels_first(image, "image")
    assert image.min() == 2.0


def test_a_mask_is_yes_or_no_from_half_on() -> None:
    mask = torch.tensor([[0.49, 0.5]]).repeat(64, 32)[None]
    assert torch.equal(mask_first(mask, OWN, OWN, 1)[0, 0], (mask[0] >= 0.5).float())
    assert torch.equal(mask_first(mask[0].numpy(), OWN, OWN, 3), mask_first(mask, OWN, OWN, 3))


def test_a_mask_of_the_same_shape_is_scaled_and_of_another_refused() -> None:
    mask = torch.zeros(1, 128, 128)
    mask[:, :, :64] = 1
    scaled = mask_first(mask, OWN, OWN, 1)
    assert scaled[0, 0, :, :31].all()
    assert not scaled[0, 0, :, 33:].any()
    with pytest.raises(InvalidInput, match="mask: it is 128x64 and the image is 64x64"):
        mask_first(torch.ones(1, 64, 128), OWN, OWN, 1)


def test_empty_masks_and_too_many_are_refused() -> None:
    with pytest.raises(InvalidInput, match="mask: it is empty"):
        mask_first(torch.zeros(1, 64, 64), OWN, OWN, 1)
    with pytest.raises(InvalidInput, match="mask: there are 2 masks for 3 images"):
        mask_first(torch.ones(2, 64, 64), OWN, OWN, 3)
    with pytest.raises(InvalidInput, match=r"mask: \[4\] is no batch of masks"):
        mask_first(torch.ones(4), OWN, OWN, 1)


def test_scaling_stays_within_black_and_white() -> None:
    pixels = (torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)) > 0.5).float()
    made = fitted(pixels, (40, 24))
    assert made.shape == (1, 3, 24, 40)
    assert 0 <= float(made.min()) <= float(made.max()) <= 1
    assert fitted(pixels, (64, 64)) is pixels
