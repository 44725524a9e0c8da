"""The pictures of Stability's services: each shows what its task is, and the same request is always the same picture.

Whole numbers only, as everywhere in the sandbox's pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from . import mark, picture
from .brush import Canvas
from .palette import Dice
from .scene import paint
from .stability_request import Asked

_FOUR_MEGAPIXELS = 4 * 1024 * 1024
_USUAL_GROWTH = {"edit/inpaint": 5, "edit/erase": 5}
_SEARCHED_GROWTH = 3


def draw(asked: Asked, *, blurred: bool = False) -> Canvas:
    """The result's pixels; ``blurred`` as the vendor's filter gives them."""
    canvas = _DRAWN[asked.service.path](asked)
    return picture.coarse(canvas, 6) if blurred else canvas


def size_of_ratio(ratio: str, pixels: int) -> tuple[int, int]:
    """The largest size of this ratio within so many pixels, in steps of 16. The vendor documents only the area."""
    across, down = map(int, ratio.split(":"))
    unit = isqrt(pixels * 65536 // (across * down))
    return across * unit // 256 // 16 * 16, down * unit // 256 // 16 * 16


def _generate(asked: Asked) -> Canvas:
    if asked.image is not None:
        base = asked.image.pixels[..., :3]
        return _marked(_mixed(base, _scene(asked, base), asked.number("strength", 0.5)))
    size = size_of_ratio(asked.fields.get("aspect_ratio", "1:1"), asked.service.pixels)
    return picture.draw(asked.prompt, *size, asked.seed)


def _inpaint(asked: Asked) -> Canvas:
    return _repainted(asked, _grown(_where(asked), asked))


def _erase(asked: Asked) -> Canvas:
    """The area becomes the mean colour of what is around it."""
    where = _grown(_where(asked), asked)
    canvas = _base(asked).copy()
    around = canvas[~where]
    canvas[where] = around.sum(axis=0, dtype=np.int64) // max(1, len(around)) if len(around) else 0
    return _marked(canvas, where)


def _replace(asked: Asked) -> Canvas:
    return _repainted(asked, _grown(_found(asked, "search_prompt"), asked))


def _recolor(asked: Asked) -> Canvas:
    """The found area keeps its light and takes the scene's mean colour."""
    where, base = _grown(_found(asked, "select_prompt"), asked), _base(asked)
    colour = _scene(asked, base).reshape(-1, 3).sum(axis=0, dtype=np.int64) // (base.shape[0] * base.shape[1])
    light = base.sum(axis=2, dtype=np.int64)[..., None] // 3
    tinted = np.minimum(255, (light + 128) * colour // 256).astype(np.uint8)
    return _marked(np.where(where[..., None], tinted, base), where)


def _outpaint(asked: Asked) -> Canvas:
    """The middle is the image as it came; the scene is around it."""
    base = _base(asked)
    left, right, up, down = (int(asked.number(side, 0)) for side in ("left", "right", "up", "down"))
    height, width = base.shape[:2]
    size = (width + left + right, height + up + down)
    canvas = paint(asked.prompt or "open land", *size, asked.seed)
    new = np.ones(canvas.shape[:2], np.bool_)
    new[up : up + height, left : left + width] = False
    canvas[~new] = base.reshape(-1, 3)
    return _marked(canvas, new)


def _fast(asked: Asked) -> Canvas:
    base = _base(asked)
    return _marked(_resized(base, base.shape[1] * 4, base.shape[0] * 4))


def _conservative(asked: Asked) -> Canvas:
    return _marked(_enlarged(asked))


def _creative(asked: Asked) -> Canvas:
    base = _enlarged(asked)
    return _marked(_mixed(base, _scene(asked, base), asked.number("creativity", 0.3) / 2))


def _follow(asked: Asked) -> Canvas:
    """The scene with the map shining through, the more of it the stronger the control."""
    control = _base(asked)
    return _marked(_mixed(_scene(asked, control), control, asked.number("control_strength", 0.7) * 0.75))


def _style(asked: Asked) -> Canvas:
    """The scene in the image's colours."""
    base = _base(asked)
    size = size_of_ratio(asked.fields.get("aspect_ratio", "1:1"), asked.service.pixels)
    scene = paint(asked.prompt, *size, asked.seed)
    mean = base.reshape(-1, 3).sum(axis=0, dtype=np.int64) // (base.shape[0] * base.shape[1])
    flat = np.broadcast_to(mean.astype(np.uint8), scene.shape)
    return _marked(_mixed(scene, flat, asked.number("fidelity", 0.5) * 0.75))


def _cut_out(asked: Asked) -> Canvas:
    """The subject is an ellipse in the middle; around it, nothing is left."""
    return picture.cut_out(_marked(_base(asked)))


def _relit(asked: Asked) -> Canvas:
    """The scene behind that same ellipse of the image; another background's picture shines through the scene."""
    base = _base(asked)
    inside = picture.cut_out(base)[..., 3:] > 127
    behind = _scene(asked, base)
    if asked.other is not None:
        behind = _mixed(behind, _resized(asked.other.pixels[..., :3], base.shape[1], base.shape[0]), 0.5)
    return _marked(np.where(inside, base, behind))


def _transferred(asked: Asked) -> Canvas:
    """The image at one megapixel, in the other one's colours."""
    base = _base(asked)
    wide = isqrt(asked.service.pixels * base.shape[1] // base.shape[0])
    large = _resized(base, wide, max(1, asked.service.pixels // wide))
    style = asked.other.pixels[..., :3] if asked.other is not None else base
    mean = style.reshape(-1, 3).sum(axis=0, dtype=np.int64) // (style.shape[0] * style.shape[1])
    flat = np.broadcast_to(mean.astype(np.uint8), large.shape)
    return _marked(_mixed(large, flat, asked.number("style_strength", 1) * 0.5))


_DRAWN: dict[str, Callable[[Asked], Canvas]] = {
    "generate/ultra": _generate,
    "generate/core": _generate,
    "generate/sd3": _generate,
    "edit/inpaint": _inpaint,
    "edit/erase": _erase,
    "edit/outpaint": _outpaint,
    "edit/search-and-replace": _replace,
    "edit/search-and-recolor": _recolor,
    "upscale/fast": _fast,
    "upscale/conservative": _conservative,
    "upscale/creative": _creative,
    "control/sketch": _follow,
    "control/structure": _follow,
    "control/style": _style,
    "control/style-transfer": _transferred,
    "edit/remove-background": _cut_out,
    "edit/replace-background-and-relight": _relit,
}


def _base(asked: Asked) -> Canvas:
    """The image's pixels; every service that comes here has required one."""
    return asked.image.pixels[..., :3] if asked.image is not None else np.zeros((64, 64, 3), np.uint8)


def _where(asked: Asked) -> NDArray[np.bool_]:
    return np.zeros(_base(asked).shape[:2], np.bool_) if asked.where is None else asked.where


def _scene(asked: Asked, like: Canvas) -> Canvas:
    return paint(asked.prompt, like.shape[1], like.shape[0], asked.seed)


def _repainted(asked: Asked, where: NDArray[np.bool_]) -> Canvas:
    if asked.image is None:
        return _base(asked)
    return picture.edit([asked.image], asked.prompt, *asked.image.size, asked.seed, 0, where)


def _found(asked: Asked, name: str) -> NDArray[np.bool_]:
    """Where the sandbox "finds" what is searched for: an ellipse whose place depends on the words alone."""
    height, width = _base(asked).shape[:2]
    dice = Dice("found", asked.fields.get(name, ""))
    x, y = width * dice.between(350, 650) // 1000, height * dice.between(350, 650) // 1000
    across, down = max(4, width // 4), max(4, height // 4)
    columns = (np.arange(width, dtype=np.int64) - x) ** 2 * 65536 // across**2
    rows = (np.arange(height, dtype=np.int64) - y) ** 2 * 65536 // down**2
    return np.asarray(columns[None, :] + rows[:, None] <= 65536)


def _grown(where: NDArray[np.bool_], asked: Asked) -> NDArray[np.bool_]:
    """The area with ``grow_mask`` pixels more on each side."""
    by = int(asked.number("grow_mask", _USUAL_GROWTH.get(asked.service.path, _SEARCHED_GROWTH)))
    return _spread(_spread(where, by).T, by).T if by else where


def _spread(where: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """True wherever a True is at most ``by`` columns away."""
    padded = np.pad(where.astype(np.int64), ((0, 0), (by + 1, by)))
    sums = np.cumsum(padded, axis=1)
    return np.asarray(sums[:, 2 * by + 1 :] - sums[:, : -2 * by - 1] > 0)


def _mixed(base: Canvas, other: Canvas, share: float) -> Canvas:
    """``share`` (0..1) of the other picture in the first."""
    part = round(share * 256)
    return ((base.astype(np.uint32) * (256 - part) + other.astype(np.uint32) * part) >> 8).astype(np.uint8)


def _enlarged(asked: Asked) -> Canvas:
    """Four megapixels in the image's shape."""
    base = _base(asked)
    height, width = base.shape[:2]
    wide = isqrt(_FOUR_MEGAPIXELS * width // height)
    return _resized(base, wide, max(1, _FOUR_MEGAPIXELS // wide))


def _resized(pixels: Canvas, width: int, height: int) -> Canvas:
    rows = (np.arange(height, dtype=np.int64) * 2 + 1) * pixels.shape[0] // (2 * height)
    columns = (np.arange(width, dtype=np.int64) * 2 + 1) * pixels.shape[1] // (2 * width)
    sampled: Canvas = pixels[rows[:, None], columns[None, :]]
    return sampled


def _marked(canvas: Canvas, where: NDArray[np.bool_] | None = None) -> Canvas:
    made: Canvas = np.ascontiguousarray(canvas)
    mark.apply(made, where)
    return made
