"""Which of a record's pictures an IMAGE still is: pixels that were not touched are the provider's own file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..generation.pictures import pixels_digest

if TYPE_CHECKING:
    import numpy as np

    from ..generation.service import Generated, Picture


def original_of(made: Generated | None, pixels: np.ndarray[Any, Any]) -> Picture | None:
    """The picture whose pixels these are, or None where they were changed (or there is no record)."""
    if made is None:
        return None
    wanted = pixels_digest(pixels[..., :3])
    return next((picture for picture in made.pictures if picture.output.pixels_sha256 == wanted), None)
