"""Which of a record's pictures an IMAGE still is: pixels that were not touched are the provider's own file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..generation.likeness import unlike
from ..generation.pictures import decode, pixels_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from ..generation.service import Generated, Picture
    from .pixels import Frame


def original_of(made: Generated | None, pixels: np.ndarray[Any, Any]) -> Picture | None:
    """The picture whose pixels these are, or None where they were changed (or there is no record).

    A smaller picture that was only centred on black, to share a batch with larger ones, is not changed.
    """
    return next((picture for picture in made.pictures if _is_same(picture, pixels)), None) if made else None


def original_in(made: Generated | None, frame: Frame) -> Picture | None:
    """:func:`original_of`, without looking at pixels where it is known what they are."""
    own = frame.picture
    if made is not None and own is not None and any(each is own for each in made.pictures):
        return own
    return original_of(made, frame.pixels) if made is not None else None


def original_among(results: Sequence[Generated], frame: Frame) -> tuple[Generated, Picture] | None:
    """The result whose untouched picture a frame is, and the picture; without looking at pixels where that is known."""
    own = frame.picture
    if own is not None:
        for made in results:
            if any(each is own for each in made.pictures):
                return made, own
    found = ((made, original_of(made, frame.pixels)) for made in results)
    return next(((made, picture) for made, picture in found if picture is not None), None)


def closest_of(made: Generated | None, pixels: np.ndarray[Any, Any]) -> Picture | None:
    """The picture that changed pixels were most likely made from; None without a record.

    By likeness, not by place: nodes in between may have picked, dropped or reordered images of the batch.
    """
    if made is None or len(made.pictures) < 2:
        return made.pictures[0] if made and made.pictures else None
    return min(made.pictures, key=lambda picture: unlike(picture.data, pixels))


def _is_same(picture: Picture, pixels: np.ndarray[Any, Any]) -> bool:
    if pixels.shape[-1] == 4:
        # The digest tells of colours alone; an alpha channel is compared with the file's own.
        own = _pixels_of(picture)
        return own.shape == pixels.shape and bool((own == pixels).all())
    inner = _inner(pixels, picture.output.width, picture.output.height)
    return inner is not None and pixels_digest(inner) == picture.output.pixels_sha256


def _inner(pixels: np.ndarray[Any, Any], width: int, height: int) -> np.ndarray[Any, Any] | None:
    """The middle of this size, where all around it is black; None where it is not."""
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    if top < 0 or left < 0:
        return None
    inner = pixels[top : top + height, left : left + width]
    whole = inner.size == pixels.size
    return inner if whole or int(pixels.sum(dtype="int64")) == int(inner.sum(dtype="int64")) else None


def _pixels_of(picture: Picture) -> np.ndarray[Any, Any]:
    return decode(picture.data, max_pixels=picture.output.width * picture.output.height)
