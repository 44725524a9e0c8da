"""Whether a copy is known by its look, and a stranger is not: `python bench/softbinding.py [--json PATH]`.

Copies: JPEG at quality 60, half the size, and crops that leave 90% of the width, of the height, or of both. Strangers:
each of the pictures is looked up among all others, with all the guesses that a look-up makes. The pictures are drawn.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable

import numpy as np
from PIL import Image

from mintmark.bench.harness.report import Report, Row, main, measured
from mintmark.bench.harness.scenes import scene
from mintmark.provenance import softbinding
from mintmark.provenance.looks import Looks

PICTURES, STRANGERS, STORED = 300, 10_000, 1_000_000
RECALL, FALSE = 0.99, 1.0
MAX_PIXELS = 100_000_000


def jpeg(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=60)
    return Image.open(io.BytesIO(file.getvalue()))


def half(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2))


def crop(left: float, top: float, right: float, bottom: float) -> Callable[[Image.Image], Image.Image]:
    def cut(image: Image.Image) -> Image.Image:
        width, height = image.size
        return image.crop((round(width * left), round(height * top), round(width * right), round(height * bottom)))

    return cut


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG, quality 60": jpeg,
    "half the size": half,
    "10% cropped, around": crop(0.05, 0.05, 0.95, 0.95),
    "10% cropped, one side": crop(0.1, 0, 1, 1),
    "10% cropped, a corner": crop(0, 0, 0.9, 0.9),
    "10% cropped, off centre": crop(0.03, 0.07, 0.93, 0.97),
    "cropped, half, JPEG 60": lambda image: jpeg(half(crop(0.05, 0.05, 0.95, 0.95)(image))),
}


def measure(report: Report) -> None:
    _recall(report)
    _strangers(report)
    _speed(report)


def _recall(report: Report) -> None:
    pictures = [scene(seed) for seed in range(PICTURES)]
    known = Looks()
    known.add((str(number), _look(picture)) for number, picture in enumerate(pictures))
    for name, change in COPIES.items():
        found = sum(
            bool(likes := known.like(_guesses(change(picture)), most=1)) and likes[0].name == str(number)
            for number, picture in enumerate(pictures)
        )
        low, high = _interval(found, PICTURES)
        note = f"{found} of {PICTURES} found; 95%: {low:.3f} to {high:.3f}"
        report.add(Row(name=f"found: {name}", value=found / PICTURES, least=RECALL, note=note))


def _strangers(report: Report) -> None:
    # The first guess is the look itself.
    guesses = [found for seed in range(STRANGERS) if (found := _guesses(scene(10_000 + seed, 128)))]
    known = Looks()
    known.add((str(number), asked[0]) for number, asked in enumerate(guesses))
    taken = 0
    for number, asked in enumerate(guesses):
        taken += sum(each.name != str(number) for each in known.like(asked, most=len(guesses)))
    pairs = len(guesses) * (len(guesses) - 1)
    low, high = _interval(taken, pairs)
    note = f"{taken} of {pairs:,} pairs; 95%: {low:.1e} to {high:.1e}"
    report.add(Row(name="strangers taken for it, of 100,000", value=100_000 * taken / pairs, most=FALSE, note=note))


def _speed(report: Report) -> None:
    picture = scene(1, 1024).resize((1024, 1024))
    file = io.BytesIO()
    picture.save(file, "PNG")
    words = np.random.default_rng(3).bytes(40 * STORED)
    known = Looks()
    known.add((str(number), words[40 * number : 40 * number + 40]) for number in range(STORED))
    asked = _guesses(picture)
    png = file.getvalue()
    report.add(
        measured("a look of a 1024² PNG", _times(lambda: softbinding.look(png, max_pixels=MAX_PIXELS)), "ms"),
        measured("a look, unpacked", _times(lambda: softbinding.look_of(softbinding.points_of(picture))), "ms"),
        measured("looked up among 1,000,000", _times(lambda: known.like(asked)), "ms", note=f"{len(asked)} guesses"),
    )


def _times(work: Callable[[], object]) -> list[float]:
    found = []
    for _ in range(7):
        began = time.perf_counter()
        work()
        found.append((time.perf_counter() - began) * 1000)
    return found


def _look(picture: Image.Image) -> bytes:
    found = softbinding.look_of(softbinding.points_of(picture))
    if found is None:
        raise ValueError("a picture without features")
    return found


def _guesses(picture: Image.Image) -> list[bytes]:
    return softbinding.guesses_of(softbinding.points_of(picture))


def _interval(found: int, of: int) -> tuple[float, float]:
    """Wilson's interval at 95%."""
    z = 1.959964
    share, weight = found / of, z * z / of
    middle = (share + weight / 2) / (1 + weight)
    half_width = z / (1 + weight) * math.sqrt(share * (1 - share) / of + weight / of / 4)
    return max(0.0, middle - half_width), min(1.0, middle + half_width)


if __name__ == "__main__":
    main("Soft binding: copies that are found, strangers that are not", measure, __doc__)
