"""The pictures of Stability's models on Bedrock: those of its own API, and two services that are drawn here alone."""

from __future__ import annotations

import numpy as np

from . import mark, picture
from .brush import Canvas
from .scene import paint
from .stability_pictures import draw as draw_service
from .stability_request import Asked


def draw(asked: Asked, style: picture.Source | None) -> Canvas:
    """The result's pixels."""
    if asked.image is None or asked.service.path not in ("edit/remove-background", "control/style-transfer"):
        return draw_service(asked)
    base = np.ascontiguousarray(asked.image.pixels[..., :3])
    if style is None:
        mark.apply(base)
        return picture.cut_out(base)
    return _styled(asked, base, style)


def _styled(asked: Asked, base: Canvas, style: picture.Source) -> Canvas:
    """The image in the style's colours, and where there are words with their scene shining through."""
    height, width = base.shape[:2]
    colour = style.pixels[..., :3].reshape(-1, 3).sum(axis=0, dtype=np.int64) // (style.size[0] * style.size[1])
    change = round(asked.number("change_strength", 0.9) * 96)
    mixed = (base.astype(np.uint32) * (256 - change) + colour.astype(np.uint32) * change) >> 8
    if asked.prompt:
        mixed = (mixed * 192 + paint(asked.prompt, width, height, asked.seed).astype(np.uint32) * 64) >> 8
    made: Canvas = np.ascontiguousarray(mixed.astype(np.uint8))
    mark.apply(made)
    return made
