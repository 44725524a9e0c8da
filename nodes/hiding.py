"""What is shown in place of a picture that may not be seen. uint8 [H,W,C] in and out, of the same size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Pixels = np.ndarray[Any, Any]

GROUND = 38
"""Grey of a placeholder."""


def blurred(pixels: Pixels) -> Pixels:
    """The picture beyond recognition: see :func:`~..generation.blurring.blurred_image`."""
    import numpy as np
    from PIL import Image

    from ..generation.blurring import blurred_image

    return np.asarray(blurred_image(Image.fromarray(np.ascontiguousarray(pixels))))


def placeholder(pixels: Pixels, decision: str) -> Pixels:
    """A plain dark picture that says why there is none, where that is large enough to say it."""
    import numpy as np

    from ..errors import InvalidInput
    from .labelling import Label, labelled

    empty = np.full_like(pixels, GROUND)
    if empty.shape[-1] == 4:
        empty[..., 3] = 255
    try:
        return labelled(empty, Label(text=f"{decision} by policy", badge=False, position="centre", size=0.06))
    except InvalidInput:
        return empty
