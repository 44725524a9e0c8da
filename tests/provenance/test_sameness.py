"""The same content signed twice is two files and one digest; anything else that is shown or heard is another."""

from __future__ import annotations

import io

import pytest
from PIL import Image, features

from mintmark.provenance.sameness import same

from .test_formats import KINDS, MOVING, PILLOW, SAMPLES, sample

MOST = 10**6


@pytest.mark.parametrize("media_type", KINDS)
def test_however_often_it_is_signed_it_is_the_same(media_type, signer, picture, facts):
    data = sample(media_type, picture)
    signed = [
        signer.sign(data, media_type, facts(media_type=media_type, title=title, record={"seed": title}))
        for title in ("a", "quite another title" * 40)
    ]
    assert signed[0] != signed[1]
    assert same(signed[0], max_pixels=MOST) == same(signed[1], max_pixels=MOST)


@pytest.mark.parametrize("media_type", sorted(set(KINDS) - {"image/svg+xml"}))
def test_without_its_credential_it_is_the_same(media_type, signer, picture, facts):
    data = sample(media_type, picture)
    signed = signer.sign(data, media_type, facts(media_type=media_type))
    assert same(signed, max_pixels=MOST) == same(data, max_pixels=MOST)


def test_no_two_samples_are_the_same(picture):
    files = [path.read_bytes() for path in sorted(SAMPLES.iterdir())]
    files += [picture(), picture(shade=1), picture(size=(12, 48)), b"words", b""]
    digests = [same(each, max_pixels=MOST) for each in files]
    assert len(set(digests)) >= len(files) - 2, "some films have the same frames in another container"


@pytest.mark.parametrize("media_type", MOVING)
def test_a_moving_picture_counts_by_every_frame(media_type, picture):
    if media_type == "image/avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")

    def film(last):
        frames = [Image.open(io.BytesIO(picture(shade=shade))) for shade in (1, last)]
        file = io.BytesIO()
        frames[0].save(file, PILLOW[media_type], save_all=True, append_images=frames[1:], duration=50)
        return file.getvalue()

    assert same(film(2), max_pixels=MOST) != same(film(3), max_pixels=MOST)
    assert same(film(2), max_pixels=MOST) == same(film(2), max_pixels=MOST)


def test_another_format_of_the_same_pixels_is_the_same(picture):
    assert same(picture("PNG"), max_pixels=MOST) == same(picture("TIFF"), max_pixels=MOST)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_a_picture_that_cannot_be_unpacked_still_counts(kind, picture):
    data = picture(kind)
    for few in (data, data[: len(data) // 2]):
        assert same(few, max_pixels=8) not in (same(picture(kind, shade=1), max_pixels=8), same(b"", max_pixels=8))
