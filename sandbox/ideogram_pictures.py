"""The pictures of Ideogram's services: each shows what its task is, and the same form always gives the same picture."""

from __future__ import annotations

import numpy as np

from . import judge, picture
from .brush import Canvas
from .ideogram_request import Asked
from .scene import paint

_SMALL = 128


def draw(asked: Asked, index: int) -> bytes:
    """The file of one image."""
    width, height = map(int, asked.resolution.split("x"))
    return picture.pack(_canvas(asked, width, height, asked.seed(index), index), "png")


def is_safe(asked: Asked, index: int) -> bool:
    """What Ideogram's check of the result says. Looked at in small: only what is drawn anew can be harmful."""
    if asked.image is not None:
        return True
    canvas = picture.draw(asked.prompt, _SMALL, _SMALL, asked.seed(index), index)
    return not judge.reasons(judge.image_scores(canvas))


def _canvas(asked: Asked, width: int, height: int, seed: int, index: int) -> Canvas:
    references = [source for name, found in asked.files.items() if "reference_images" in name for source in found]
    image = asked.image
    if image is None:
        if references:
            return picture.edit(references, asked.prompt, width, height, seed, index)
        return picture.draw(asked.prompt, width, height, seed, index)
    if asked.service.path.endswith("remix"):
        return _remixed(asked, _cropped(image.pixels, width, height), seed, index)
    if asked.service.path.endswith("reframe"):
        return _reframed(image.pixels, width, height, seed, index)
    where = asked.where
    return picture.edit(
        [image], asked.prompt, width, height, seed, index, _behind(width, height) if where is None else where
    )


def _remixed(asked: Asked, base: Canvas, seed: int, index: int) -> Canvas:
    """The image and a new scene, by the image's weight."""
    scene = paint(asked.prompt, base.shape[1], base.shape[0], seed, index).astype(np.uint32)
    share = asked.weight * 256 // 100
    return picture.marked(((base.astype(np.uint32) * share + scene * (256 - share)) >> 8).astype(np.uint8))


def _reframed(pixels: Canvas, width: int, height: int, seed: int, index: int) -> Canvas:
    """The image in the middle, as large as it fits, and land around it."""
    across, down = pixels.shape[1], pixels.shape[0]
    if across * height > width * down:
        across, down = width, max(1, down * width // across)
    else:
        across, down = max(1, across * height // down), height
    canvas = paint("open land", width, height, seed, index)
    left, top = (width - across) // 2, (height - down) // 2
    new = np.ones((height, width), np.bool_)
    new[top : top + down, left : left + across] = False
    canvas[~new] = picture.fitted(pixels, across, down)[..., :3].reshape(-1, 3)
    return picture.marked(canvas, new)


def _behind(width: int, height: int) -> picture.Where:
    """All but an ellipse in the middle: what the sandbox takes for the background."""
    x = (np.arange(width, dtype=np.int64) * 2 - width) ** 2 * 65536 // width**2
    y = (np.arange(height, dtype=np.int64) * 2 - height) ** 2 * 65536 // height**2
    return np.asarray(x[None, :] + y[:, None] > 32768)


def _cropped(pixels: Canvas, width: int, height: int) -> Canvas:
    """The middle of the image in the shape of the result, at its size."""
    across, down = pixels.shape[1], pixels.shape[0]
    if across * height > width * down:
        wide = max(1, down * width // height)
        pixels = pixels[:, (across - wide) // 2 :][:, :wide]
    else:
        tall = max(1, across * height // width)
        pixels = pixels[(down - tall) // 2 :][:tall]
    return picture.fitted(pixels, width, height)[..., :3]
