"""Scaling pictures ``[B, H, W, C]`` as ComfyUI does by each of its methods. Pure.

None of the methods but ``area`` and ``lanczos`` looks at more than the nearest few pixels, however much smaller the
picture gets, and ``bicubic`` overshoots 0..1: recorded from ComfyUI 0.33, as is every rule here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import pictures

if TYPE_CHECKING:
    from .images import Pixels

METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")
SHARPNESS = -0.75  # of the bicubic kernel


def scale(image: Pixels, width: int, height: int, method: str, *, center: bool = False) -> Pixels:
    """The image at this size; ``center`` first cuts off what does not fit the new proportions, on both sides."""
    if center:
        image = _cropped(image, width, height)
    if method == "lanczos":
        return _lanczos(image, width, height)
    along = {"nearest-exact": _nearest, "bilinear": _bilinear, "area": _area, "bicubic": _bicubic}[method]
    if method == "area":
        return _along_both(image, width, height, along)
    return _along_both(image, width, height, along) if image.shape[1:3] != (height, width) else image.copy()


def _along_both(image: Pixels, width: int, height: int, along: Callable[[Pixels, int, int], Pixels]) -> Pixels:
    return along(along(image, 2, width), 1, height)


def _cropped(image: Pixels, width: int, height: int) -> Pixels:
    old_height, old_width = image.shape[1:3]
    old, new = old_width / old_height, width / height
    x = round((old_width - old_width * (new / old)) / 2) if old > new else 0
    y = round((old_height - old_height * (old / new)) / 2) if old < new else 0
    return image[:, y : old_height - y, x : old_width - x]


def _centers(size: int, new: int) -> Any:
    """Where the middle of each new pixel lies among the old ones, in 32 bits as ComfyUI reckons."""
    import numpy as np

    return (np.arange(new, dtype=np.float32) + np.float32(0.5)) * (np.float32(size) / np.float32(new))


def _nearest(image: Pixels, axis: int, new: int) -> Pixels:
    import numpy as np

    size = image.shape[axis]
    made: Pixels = image.take(np.minimum(_centers(size, new).astype(np.int64), size - 1), axis=axis)
    return made


def _bilinear(image: Pixels, axis: int, new: int) -> Pixels:
    import numpy as np

    size = image.shape[axis]
    at = np.maximum(_centers(size, new) - np.float32(0.5), np.float32(0))
    low = np.minimum(at.astype(np.int64), size - 1)
    high = np.minimum(low + 1, size - 1)
    share = _along(at - low.astype(np.float32), axis)
    made: Pixels = image.take(low, axis=axis) * (1 - share) + image.take(high, axis=axis) * share
    return made


def _bicubic(image: Pixels, axis: int, new: int) -> Pixels:
    import numpy as np

    size = image.shape[axis]
    at = _centers(size, new) - np.float32(0.5)
    low = np.floor(at)
    share, first = at - low, low.astype(np.int64) - 1
    weights = (_far(share + 1), _near(share), _near(1 - share), _far(2 - share))
    made: Pixels = np.zeros((), dtype=np.float32)
    for step, weight in enumerate(weights):
        taken = image.take(np.clip(first + step, 0, size - 1), axis=axis)
        made = made + taken * _along(weight, axis)
    return made


def _near(x: Any) -> Any:
    return ((SHARPNESS + 2) * x - (SHARPNESS + 3)) * x * x + 1


def _far(x: Any) -> Any:
    return ((SHARPNESS * x - 5 * SHARPNESS) * x + 8 * SHARPNESS) * x - 4 * SHARPNESS


def _area(image: Pixels, axis: int, new: int) -> Pixels:
    """The mean of all old pixels that a new one touches, each counted whole."""
    import numpy as np

    size = image.shape[axis]
    # By whole numbers: where a new pixel begins must not depend on a rounded fraction.
    starts = [number * size // new for number in range(new)]
    ends = [-(-(number + 1) * size // new) for number in range(new)]
    means = [
        image.take(range(start, end), axis=axis).mean(axis=axis, dtype=np.float32, keepdims=True)
        for start, end in zip(starts, ends, strict=True)
    ]
    return np.concatenate(means, axis=axis)


def _along(values: Any, axis: int) -> Any:
    """Values for one axis, shaped so that they multiply ``[B, H, W, C]`` along it."""
    return values.reshape([-1 if each == axis else 1 for each in range(4)])


def _lanczos(image: Pixels, width: int, height: int) -> Pixels:
    """By Pillow, in 8 bits."""
    import numpy as np
    from PIL import Image

    def one(picture: Pixels) -> Any:
        small = pictures.to_pillow(picture).resize((width, height), Image.Resampling.LANCZOS)
        return np.asarray(small, dtype=np.float32).reshape(height, width, -1) / 255

    return np.stack([one(picture) for picture in image])
