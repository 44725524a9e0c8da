"""Pictures beyond recognition, and files without what might show them all the same."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from typing import TYPE_CHECKING

from ..provenance.texts import without_credential
from .pictures import MEDIA_TYPES, describe, opened

if TYPE_CHECKING:
    from PIL.Image import Image

    from .service import Picture
    from .source import Source

BLOCKS = 8
"""Fields on the shorter side that are left of a blurred picture: colours stay, and nothing can be sharpened back."""
FIELD = 16
"""The least side of a field, in pixels: of a small picture fewer are left, or it would be seen as it is."""
_QUALITY = 90
_FORMATS = {media_type: name for name, media_type in MEDIA_TYPES.items()}


def blurred_image(picture: Image) -> Image:
    """The picture reduced to a few fields of colour and drawn soft: not even its outlines are left in the data."""
    from PIL.Image import Resampling

    field = max(FIELD, min(picture.size) / BLOCKS)
    few = picture.resize((max(1, round(picture.width / field)), max(1, round(picture.height / field))), Resampling.BOX)
    return few.resize(picture.size, Resampling.BICUBIC)


def blurred_file(data: bytes, *, max_pixels: int) -> bytes:
    """An image file, blurred, of the same kind and size; nothing else of the file is kept.

    Raises NotAnImage and ImageTooLarge.
    """
    media_type, picture = opened(data, max_pixels=max_pixels)
    file = io.BytesIO()
    blurred_image(picture).save(file, _FORMATS[media_type], quality=_QUALITY)
    return file.getvalue()


def blurred_picture(picture: Picture, *, max_pixels: int) -> Picture:
    """A provider's picture, blurred: this is what nodes see of it. Its file stays the parent of what is saved."""
    data = blurred_file(picture.data, max_pixels=max_pixels)
    digest = hashlib.sha256(picture.data).hexdigest()
    told = {"blurred_from": digest, "seed": picture.output.seed}
    output = describe(data, max_pixels=max_pixels).model_copy(update=told)
    return replace(bare(picture), data=data, output=output, original=bare(picture).data)


def alone(source: Source) -> Source:
    """The source without its credential, which may hold a small picture of it: of that which was hidden, perhaps."""
    if source.credential.state == "none":
        return source
    data = without_credential(source.data, source.media_type)
    return replace(source, data=data, name=f"{source.name} (without its credential, which may show what was hidden)")


def bare(picture: Picture) -> Picture:
    """As :func:`alone`, for what a provider sent."""
    return replace(picture, data=without_credential(picture.data, picture.output.media_type))
