"""The pictures of Firefly's operations: each shows what its task is, and the same body gives the same picture."""

from __future__ import annotations

import numpy as np

from . import picture
from .brush import Canvas
from .firefly_request import EXPAND, FILL, SIMILAR, Asked
from .scene import paint


def draw(asked: Asked, index: int) -> bytes:
    """The file of one image. In which format Firefly makes them is not documented; here it is PNG."""
    return picture.pack(_canvas(asked, index), "png")


def _canvas(asked: Asked, index: int) -> Canvas:
    (width, height), seed = asked.size, asked.seeds[index]
    image = asked.sources.get("image")
    if image is None:
        structure = asked.sources.get("structure")
        if structure is None:
            return picture.draw(asked.prompt, width, height, seed)
        return _mixed(asked, structure.pixels, seed, asked.strength * 192 // 100)
    if asked.path == EXPAND:
        return _expanded(asked, image.pixels, seed)
    if asked.path == SIMILAR:
        return _mixed(asked, image.pixels, seed, 128)
    where = None
    if asked.path == FILL and asked.where is not None:
        where = picture.fitted_mask(asked.where, width, height)
    return picture.edit([image], asked.prompt or "open land", width, height, seed, 0, where)


def _mixed(asked: Asked, pixels: Canvas, seed: int, share: int) -> Canvas:
    """A new scene in which so much (of 256) of the image shows through."""
    width, height = asked.size
    base = picture.fitted(pixels, width, height)[..., :3].astype(np.uint32)
    scene = paint(asked.prompt or "open land", width, height, seed).astype(np.uint32)
    return picture.marked(((base * share + scene * (256 - share)) >> 8).astype(np.uint8))


def _expanded(asked: Asked, pixels: Canvas, seed: int) -> Canvas:
    """The image within its insets, and the scene around it."""
    (width, height), (left, top, right, bottom) = asked.size, asked.inset
    canvas = paint(asked.prompt or "open land", width, height, seed)
    new = np.ones((height, width), np.bool_)
    new[top : height - bottom, left : width - right] = False
    inner = picture.fitted(pixels, width - left - right, height - top - bottom)
    canvas[~new] = inner[..., :3].reshape(-1, 3)
    return picture.marked(canvas, new)
