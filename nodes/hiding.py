"""What is shown in place of a picture that may not be seen. uint8 [H,W,C] in and out, of the same size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Pixels = np.ndarray[Any, Any]

BLOCKS = 8
"""Fields on the shorter side that are left of a blurred picture: colours stay, and nothing can be sharpened back."""
FIELD = 16
"""The least side of a field, in pixels: of a small picture fewer are left, or it would be seen as it is."""
GROUND = 38
"""Grey of a placeholder."""


def blurred(pixels: Pixels) -> Pixels:
    """The picture reduced to a few fields of colour and drawn soft: not even its outlines are left in the data."""
    import numpy as np
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(pixels))
    field = max(FIELD, min(picture.size) / BLOCKS)
    few = picture.resize(
        (max(1, round(picture.width / field)), max(1, round(picture.height / field))), Image.Resampling.BOX
    )
    return np.asarray(few.resize(picture.size, Image.Resampling.BICUBIC))


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
