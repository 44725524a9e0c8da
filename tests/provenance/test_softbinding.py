"""A copy has the look of what it was copied from; a stranger, and a picture of nothing, has not."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import c2pa
import numpy as np
import pytest
from PIL import Image

from mintmark.bench.harness.scenes import scene
from mintmark.config import Settings
from mintmark.errors import ImageTooLarge, NotAnImage
from mintmark.provenance import softbinding
from mintmark.provenance.keys import signing_identity
from mintmark.provenance.looks import Looks
from mintmark.provenance.manifest import ImageFacts
from mintmark.provenance.reading import read
from mintmark.provenance.signing import CredentialSigner

MOST = 4_000_000


def saved(image: Image.Image, kind: str = "PNG", **how: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **how)
    return file.getvalue()


def cut(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = image.size
    return image.crop((round(width * left), round(height * top), round(width * right), round(height * bottom)))


COPIES: dict[str, Callable[[Image.Image], bytes]] = {
    "as it is": saved,
    "JPEG 60": lambda image: saved(image, "JPEG", quality=60),
    "WebP": lambda image: saved(image, "WEBP", quality=60),
    "half": lambda image: saved(image.resize((image.width // 2, image.height // 2))),
    "around": lambda image: saved(cut(image, 0.05, 0.05, 0.95, 0.95), "JPEG", quality=60),
    "one side": lambda image: saved(cut(image, 0.1, 0, 1, 1)),
    "off centre": lambda image: saved(cut(image, 0.03, 0.07, 0.93, 0.97)),
}


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    return [scene(seed, 256) for seed in range(12)]


@pytest.fixture(scope="module")
def known(pictures: list[Image.Image]) -> Looks:
    looks = Looks()
    found = [(str(number), softbinding.look(saved(each), max_pixels=MOST)) for number, each in enumerate(pictures)]
    looks.add((name, look) for name, look in found if look is not None)
    assert len(looks) == len(pictures)
    return looks


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_found_and_nothing_else_is(pictures: list[Image.Image], known: Looks, name: str) -> None:
    for number, picture in enumerate(pictures):
        found = known.like(softbinding.guesses(COPIES[name](picture), max_pixels=MOST))
        assert [each.name for each in found] == [str(number)]


def test_what_is_the_same_differs_in_no_bit(pictures: list[Image.Image], known: Looks) -> None:
    [found] = known.like([softbinding.look(saved(pictures[3]), max_pixels=MOST) or b""])
    assert found == ("3", 0)


def test_a_stranger_is_not_found(known: Looks) -> None:
    for seed in range(100, 130):
        assert known.like(softbinding.guesses(saved(scene(seed, 256)), max_pixels=MOST)) == []


def plane(make: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> bytes:
    rows, columns = np.mgrid[0:128, 0:128] / 128
    return saved(Image.fromarray(np.clip(make(rows, columns), 0, 255).astype(np.uint8)))


@pytest.mark.parametrize(
    "data",
    [
        saved(Image.new("RGB", (64, 64), "teal")),
        plane(lambda rows, columns: 255 * columns),
        plane(lambda rows, columns: 127 * (rows + columns)),
        plane(lambda rows, _: 128 + np.random.default_rng(1).normal(0, 2, rows.shape)),
    ],
)
def test_a_picture_without_features_has_no_look(data: bytes) -> None:
    assert softbinding.look(data, max_pixels=MOST) is None
    assert softbinding.guesses(data, max_pixels=MOST) == []


def test_a_look_is_the_same_whatever_the_file(pictures: list[Image.Image]) -> None:
    turned = pictures[0].transpose(Image.Transpose.ROTATE_270)
    exif = Image.Exif()
    exif[0x0112] = 8  # to be turned back when it is shown
    one = softbinding.look(saved(pictures[0]), max_pixels=MOST)
    assert softbinding.look(saved(turned, exif=exif), max_pixels=MOST) == one
    clear = pictures[0].convert("RGBA")
    assert softbinding.look(saved(clear), max_pixels=MOST) == one
    assert one is not None and len(one) * 8 == softbinding.BITS


def test_what_is_no_picture_or_too_large_is_refused() -> None:
    with pytest.raises(NotAnImage):
        softbinding.look(b"nothing", max_pixels=MOST)
    with pytest.raises(NotAnImage):
        softbinding.look(saved(scene(1, 256))[:500], max_pixels=MOST)
    with pytest.raises(ImageTooLarge):
        softbinding.look(saved(scene(1, 256)), max_pixels=100)


def test_many_looks_are_kept_and_found_again_whatever_numpy_counts_with(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    size = softbinding.BITS // 8
    words = [rng.bytes(size) for _ in range(3000)]
    looks = Looks()
    for at in range(0, 3000, 700):
        looks.add((str(number), words[number]) for number in range(at, min(at + 700, 3000)))
    nearly = bytes([words[2500][0] ^ 0b101, *words[2500][1:]])
    assert looks.like([nearly]) == [("2500", 2)]
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert looks.like([nearly]) == [("2500", 2)]
    assert Looks().like([nearly]) == []


def test_a_look_in_a_credential_is_an_assertion_of_c2pa_s(tmp_path: Path) -> None:
    data = saved(scene(1, 256))
    found = softbinding.look(data, max_pixels=MOST)
    facts = ImageFacts("a.png", "image/png", "local_ai", {}, datetime.now(timezone.utc), model="m", look=found)
    with CredentialSigner(signing_identity(Settings(data_dir=tmp_path))) as signer:
        signed = signer.sign(data, "image/png", facts)
    assert read(signed).state == "valid"
    manifest = c2pa.Reader("image/png", io.BytesIO(signed)).get_active_manifest()
    [bound] = [each["data"] for each in manifest["assertions"] if each["label"] == "c2pa.soft-binding"]
    assert found is not None
    assert (bound["alg"], [each["value"] for each in bound["blocks"]]) == (softbinding.ALGORITHM, [found.hex()])
    # It is of the pixels: what is read back from the signed file is the same.
    assert softbinding.look(signed, max_pixels=MOST) == found
