from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from mintmark.sandbox import mark, picture, png, scene

from .conftest import mask_of, pixels_of, png_of

FOX = "a red fox in a pine forest at dawn"
PINNED = {
    (FOX, 256, 256, 7, 0): "4352abb3739a9939f6bb9b0addcc4172eeada534ace394983ae7cf7ee7ae12d8",
    ("teal sea at golden hour", 640, 384, 0, 0): "0e7a16aedf6d7c725615041cd63858c5c4370cbbcd9f259ab04cafa0e1aee2d2",
    (
        "city skyline at night",
        128,
        192,
        18446744073709551615,
        3,
    ): "54bb9b45db5ec2973e96bbd7e8ae580b18635c9976acb6578e99d6a4df39b316",
    ("snowy mountains", 64, 64, 1, 0): "ce68f5ab12baaade9a8ba8752308a8d8533e20e4faaaf889ec23e1895a8b34fa",
    ("a desert caravan", 200, 120, 2, 1): "c332087e22ee94f145879a5601fe5366f7e0c13c4988b998afca5833506c4259",
    ("solid red", 96, 96, 0, 0): "3209a3283f8da934b6e58291ba95c9fb273681f8e82354e8df28d17e4ded3514",
}


@pytest.mark.parametrize(("arguments", "digest"), PINNED.items())
def test_a_picture_is_the_same_bytes_on_every_platform(arguments: tuple[str, int, int, int, int], digest: str) -> None:
    assert hashlib.sha256(picture.render(*arguments)).hexdigest() == digest


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (64, 64), (61, 257), (513, 20)])
@pytest.mark.parametrize("channels", [3, 4])
def test_our_png_decodes_to_the_pixels_it_was_made_of(size: tuple[int, int], channels: int) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (size[1], size[0], channels), np.uint8)
    with Image.open(io.BytesIO(png.encode(pixels))) as image:
        assert image.size == size
        assert np.array_equal(np.array(image), pixels)


def test_a_png_of_one_colour_and_one_of_rare_values_decode_too() -> None:
    # 2 ** n occurrences of the n-th value would give codes longer than deflate allows; they must be flattened.
    skewed = np.concatenate([np.full(1 << n, n, np.uint8) for n in range(19)])
    for pixels in (np.full((40, 50, 3), 7, np.uint8), np.resize(skewed, (300, 600, 3))):
        with Image.open(io.BytesIO(png.encode(pixels))) as image:
            assert np.array_equal(np.array(image), pixels)


def test_a_megapixel_stays_well_below_four_megabytes() -> None:
    assert len(picture.render(FOX, 1024, 1024)) < 2_000_000


def test_words_seed_index_and_size_each_change_the_picture() -> None:
    base = picture.draw(FOX, 128, 128, 7, 0)
    others = [
        picture.draw("a red fox in a pine forest at night", 128, 128, 7, 0),
        picture.draw("a blue fox in a pine forest at dawn", 128, 128, 7, 0),
        picture.draw(FOX, 128, 128, 8, 0),
        picture.draw(FOX, 128, 128, 7, 1),
    ]
    for other in others:
        differing = np.abs(base.astype(int) - other.astype(int)).max(axis=2) > 12
        assert differing.mean() > 0.05
    assert picture.draw(FOX, 96, 160, 7, 0).shape == (160, 96, 3)


def test_a_colour_word_colours_the_picture() -> None:
    teal = picture.draw("teal hills at noon", 128, 128).reshape(-1, 3).mean(axis=0)
    red = picture.draw("red hills at noon", 128, 128).reshape(-1, 3).mean(axis=0)
    assert red[0] > teal[0] + 20
    assert teal[2] > red[2] + 20


@pytest.mark.parametrize("prompt", ["", "…", "寿司", "🦊", "x" * 32_000, "a an the"])
def test_any_prompt_makes_a_picture(prompt: str) -> None:
    assert pixels_of(picture.render(prompt, 64, 48)).shape == (48, 64, 3)


@pytest.mark.parametrize("size", [(16, 16), (16, 48), (48, 16), (64, 64), (2048, 64)])
def test_any_size_makes_a_picture(size: tuple[int, int]) -> None:
    for prompt in ("sea", "city at night", "peaks and mountains", "pine forest", "desert", "hills"):
        assert picture.draw(prompt, *size).shape == (size[1], size[0], 3)


def score(crop: np.ndarray, cover: np.ndarray) -> float:
    """The best match (normalised, 0..1) of a whole mark anywhere in the crop, light against its surroundings."""
    light = crop.astype(np.float64).mean(axis=2)
    letters = (cover > 160).astype(np.float64)
    around = (cover < 32).astype(np.float64)
    template = letters / letters.sum() - around / around.sum()
    shape = [n + m for n, m in zip(light.shape, template.shape, strict=True)]
    spectrum = np.fft.rfft2(light, shape) * np.conj(np.fft.rfft2(template, shape))
    contrast = np.fft.irfft2(spectrum, shape)[
        : light.shape[0] - template.shape[0] + 1, : light.shape[1] - template.shape[1] + 1
    ]
    return float(contrast.max())


@pytest.mark.parametrize("size", [(256, 256), (512, 512), (1024, 1024), (1024, 1536), (1536, 512), (576, 1024)])
@pytest.mark.parametrize("prompt", [FOX, "city skyline at night"])
def test_every_crop_of_half_the_size_keeps_a_whole_readable_mark(prompt: str, size: tuple[int, int]) -> None:
    width, height = size
    marked, plain = picture.draw(prompt, width, height), scene.paint(prompt, width, height, 0)
    cover = mark.stamp_for(width, height).cover
    dice = np.random.default_rng(11)
    corners = [(0, 0), (width // 2, 0), (0, height // 2), (width // 2, height // 2), (width // 4, height // 4)]
    corners += [(int(dice.integers(0, width // 2)), int(dice.integers(0, height // 2))) for _ in range(6)]
    for left, top in corners:
        box = np.s_[top : top + height // 2, left : left + width // 2]
        # The mark's own light, free of what the scene has at the same place: light letters, or dark ones.
        change = marked[box].astype(int) - plain[box]
        assert max(score(change, cover), score(-change, cover)) > 25, (left, top)
    assert score(plain.astype(int) - plain, cover) < 1


@pytest.mark.parametrize("width", [112, 128, 200, 256, 333, 512, 768, 1024, 1440, 2048])
@pytest.mark.parametrize("height", [112, 256, 640, 1024, 2048])
def test_the_lattice_leaves_no_crop_without_a_whole_mark(width: int, height: int) -> None:
    stamp = mark.stamp_for(width, height)
    tall, wide = stamp.cover.shape
    whole = [(x, y) for x, y in stamp.places(width, height) if x >= 0 and y >= 0]
    covered = np.zeros((height - height // 2 + 1, width - width // 2 + 1), bool)
    for x, y in whole:
        if x + wide <= width and y + tall <= height:
            first_x, first_y = max(0, x + wide - width // 2), max(0, y + tall - height // 2)
            covered[first_y : y + 1, first_x : x + 1] = True
    assert covered.all()


def test_an_edit_shows_its_input_and_changes_with_the_prompt() -> None:
    source = picture.read(png_of((200, 30, 30), (128, 128)))
    one = picture.edit([source], "snowy mountains", 128, 128, 1)
    other = picture.edit([source], "teal sea", 128, 128, 1)
    assert (one != other).mean() > 0.3
    untouched = picture.draw("snowy mountains", 128, 128, 1)
    assert one[..., 0].mean() > untouched[..., 0].mean()  # the red of the input


def test_with_a_mask_only_the_masked_area_changes() -> None:
    source = picture.read(picture.render("lavender hills", 128, 96))
    where = np.zeros((96, 128), bool)
    where[5:40, 70:120] = True
    made = picture.edit([source], "city at night", 128, 96, 1, where=where)
    before = source.pixels[..., :3]
    assert np.array_equal(made[~where], before[~where])
    assert (made[where] != before[where]).any(axis=1).mean() > 0.9


def test_a_mask_of_another_size_keeps_its_place() -> None:
    where = np.zeros((64, 64), bool)
    where[:16, 48:] = True
    large = picture.fitted_mask(where, 256, 128)
    assert large.shape == (128, 256)
    assert large[:32, 192:].all()
    assert large.sum() == 32 * 64


def test_further_inputs_are_seen_in_the_corner() -> None:
    base, extra = picture.read(png_of((90, 90, 90), (128, 128))), picture.read(png_of((0, 255, 0)))
    alone, both = picture.edit([base], "hills", 128, 128, 0), picture.edit([base, extra], "hills", 128, 128, 0)
    corner = both[100:124, 6:26].astype(int) - alone[100:124, 6:26]
    assert corner[..., 1].mean() > 60
    assert corner[..., 0].mean() < 0


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n rubbish", png_of()[:40]])
def test_what_is_no_image_is_named_as_such(data: bytes) -> None:
    with pytest.raises(picture.NotAnImage):
        picture.read(data)


def test_an_image_with_too_many_pixels_is_not_decoded() -> None:
    out = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(out, "PNG")
    with pytest.raises((picture.ImageTooLarge, picture.NotAnImage)):
        picture.read(out.getvalue())


def test_a_mask_with_alpha_is_told_from_one_without() -> None:
    assert picture.read(mask_of((8, 8), (0, 0, 4, 4))).has_alpha
    assert not picture.read(png_of()).has_alpha
