"""Pictures of many kinds, drawn by a seed: skies, hills, rooms, faces, plants, writing, cloth. No two are alike.

They stand in for photographs and paintings where none may be shipped: their spectra fall as those of nature do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Random = np.random.Generator
Rgb = tuple[int, int, int]


def scene(seed: int, side: int = 512) -> Image.Image:
    """One picture, about square."""
    rng = np.random.default_rng(seed)
    width = side
    height = round(side * rng.uniform(0.7, 1.4))
    image = _ground(rng, width, height)
    for _ in range(int(rng.integers(1, 5))):
        _KINDS[int(rng.integers(len(_KINDS)))](image, rng)
    if rng.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(side / 400))
    return image


def _ground(rng: Random, width: int, height: int) -> Image.Image:
    """Clouds of two colours, over a gradient."""
    field = _field(rng, height, width, rng.uniform(0.8, 2.2))[..., None]
    low, high = (np.array(_colour(rng), dtype=float) for _ in range(2))
    slope = np.linspace(0, rng.uniform(-80, 80), height)[:, None, None]
    pixels = low + (high - low) * field + slope
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _field(rng: Random, height: int, width: int, fall: float) -> NDArray[np.float64]:
    """Noise whose power falls with its frequency, from 0 to 1."""
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    strength = np.maximum(np.hypot(rows, columns), 1 / max(height, width)) ** -fall
    phases = np.exp(2j * np.pi * rng.random(strength.shape))
    found = np.fft.irfft2(strength * phases, s=(height, width))
    field: NDArray[np.float64] = (found - found.min()) / (np.ptp(found) + 1e-9)
    return field


def _hills(image: Image.Image, rng: Random) -> None:
    draw, step = ImageDraw.Draw(image), max(1, image.width // 40)
    for layer in range(int(rng.integers(1, 5))):
        height = image.height * (0.4 + 0.12 * layer)
        heights = height + np.cumsum(rng.normal(0, image.height / 60, image.width // step + 2))
        line = [(x * step, float(y)) for x, y in enumerate(heights)]
        draw.polygon([*line, (image.width + step, image.height), (0, image.height)], fill=_colour(rng))


def _things(image: Image.Image, rng: Random) -> None:
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(2, 25))):
        at, size = rng.random(2) * image.size, rng.uniform(0.02, 0.4) * image.width
        box = [*(at - size / 2), *(at + size / 2 * rng.uniform(0.4, 1.6))]
        box = [min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3])]
        (draw.ellipse if rng.random() < 0.6 else draw.rectangle)(box, fill=_colour(rng))


def _face(image: Image.Image, rng: Random) -> None:
    draw = ImageDraw.Draw(image)
    x, y = rng.uniform(0.3, 0.7) * image.width, rng.uniform(0.3, 0.6) * image.height
    size, skin = rng.uniform(0.12, 0.33) * image.width, _colour(rng)
    draw.ellipse([x - size * 1.15, y - size * 1.5, x + size * 1.15, y + size], fill=_colour(rng))
    draw.ellipse([x - size, y - size * 1.25, x + size, y + size * 1.25], fill=skin)
    for side in (-0.4, 0.4):
        eye = x + side * size
        draw.ellipse([eye - size / 6, y - size / 4, eye + size / 6, y - size / 9], fill=_colour(rng))
    draw.rectangle([x - size / 3, y + size / 2, x + size / 3, y + size * 0.6], fill=_colour(rng))


def _room(image: Image.Image, rng: Random) -> None:
    draw, middle = ImageDraw.Draw(image), rng.uniform(0.3, 0.7, 2) * image.size
    inner = rng.uniform(0.1, 0.3) * image.width
    near = [(0, 0), (image.width, 0), (image.width, image.height), (0, image.height)]
    far = [(middle[0] + dx * inner, middle[1] + dy * inner) for dx, dy in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    for one in range(4):
        other = (one + 1) % 4
        draw.polygon([near[one], near[other], tuple(far[other]), tuple(far[one])], fill=_colour(rng))
    draw.polygon([tuple(each) for each in far], fill=_colour(rng))
    _things(image, rng)
    _writing(image, rng)


def _branches(image: Image.Image, rng: Random) -> None:
    draw, colour = ImageDraw.Draw(image), _colour(rng)
    for _ in range(int(rng.integers(5, 40))):
        steps = np.cumsum(rng.normal(0, image.width / 25, (12, 2)), axis=0) + rng.random(2) * image.size
        draw.line([tuple(each) for each in steps], fill=colour, width=max(1, int(rng.integers(1, image.width // 60))))


def _writing(image: Image.Image, rng: Random) -> None:
    draw, colour = ImageDraw.Draw(image), _colour(rng)
    line, left = image.height / rng.uniform(8, 20), rng.uniform(0, 0.3) * image.width
    for row in range(int(rng.integers(2, 8))):
        x, y = left, line * (row + rng.uniform(1, 3))
        while x < image.width * 0.9:
            word = rng.uniform(0.02, 0.12) * image.width
            draw.rectangle([x, y, x + word, y + line * 0.5], fill=colour)
            x += word + line * 0.3


def _cloth(image: Image.Image, rng: Random) -> None:
    size = (max(8, image.width // 2), max(8, image.height // 2))
    field = (_field(rng, size[1], size[0], rng.uniform(0.5, 1.5)) * 255).astype(np.uint8)
    mask = Image.fromarray(field).point(lambda value: 255 if value > 128 else 0)
    left, top = (int(each) for each in rng.uniform(0, 0.5, 2) * image.size)
    image.paste(_ground(rng, *size), (left, top), mask)


_KINDS = (_hills, _things, _face, _room, _branches, _writing, _cloth)


def _colour(rng: Random) -> Rgb:
    red, green, blue = (int(each) for each in rng.integers(0, 256, 3))
    return red, green, blue
