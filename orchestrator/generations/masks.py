"""OpenAI's way of saying what is to be repainted, a second picture, made into ours: the picture with holes in it."""

from __future__ import annotations

import io
from pathlib import Path

from ...errors import InvalidInput
from ...storage.assets.pictures import opened
from .impossible import Impossible, refuse


def with_holes(picture: Path, mask: Path, *, max_pixels: int, size: str | None = None) -> bytes:
    """The picture as a PNG that is transparent where the mask is. ``size``: the result's, where one is asked for.

    Raises NotAnImage, ImageTooLarge, and InvalidInput where the two do not fit.
    """
    with opened(picture, max_pixels=max_pixels) as (below, _), opened(mask, max_pixels=max_pixels) as (above, _):
        _check(below.size, above.size, size)
        if not above.has_transparency_data:
            raise InvalidInput(
                "mask: nothing of it is transparent.", hint="Make transparent what shall be repainted.", field="mask"
            )
        colours, holes = below.convert("RGB"), above.convert("RGBA").getchannel("A")
    colours.putalpha(holes)
    file = io.BytesIO()
    colours.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _check(below: tuple[int, int], above: tuple[int, int], size: str | None) -> None:
    own = f"{below[0]}x{below[1]}"
    if above != below:
        refuse([Impossible("mask", f"it is {above[0]}x{above[1]} and the image {own}", [own])])
    if size not in (None, "auto", own):
        refuse([Impossible("size", "what is repainted keeps its size", ["auto", own])])
