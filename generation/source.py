"""A file that an image is made from, with its own credential: opened as it is, passed on, named as an ingredient.

What is found of its credential is said and kept, whatever it is. A broken one travels on with its file, and who reads
the result is told that this ingredient was changed. One that is damaged beyond reading cannot be embedded again: then
the file goes in without it, its title says so, and so does the result's record.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..provenance.actions import Ingredient
from ..provenance.credential import Credential
from ..provenance.explaining import UNREADABLE
from ..provenance.reading import read
from ..provenance.texts import without_credential
from ..provenance.trust import Anchors
from .pictures import decode, inspect, pixels_digest

if TYPE_CHECKING:
    import numpy as np

_ORIENTATION = 0x0112  # EXIF: how a picture is to be turned before it is shown; 1 is not at all


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file: its bytes, untouched, and what was found of them."""

    name: str
    data: bytes = field(repr=False)
    media_type: str
    credential: Credential
    pixels_sha256: str
    """Of the upright RGB bytes, as of a record's outputs: tells whether an image still is this one."""
    turned: bool
    """Whether the file asks to be turned before it is shown: its bytes are then not what the image's pixels are."""

    @property
    def unreadable(self) -> bool:
        """Whether its credential is damaged so badly that it cannot travel on."""
        return any(problem.code == UNREADABLE for problem in self.credential.problems)

    @property
    def warning(self) -> str:
        """What the artist must know of its credential; empty where nothing is wrong."""
        if self.credential.state != "invalid":
            return ""
        why = self.credential.problems[0].explanation
        kept = "it cannot travel on, and the saved file says so" if self.unreadable else "it is kept and told as it is"
        return f"{self.name}: its credential is broken ({why.rstrip('.')}); {kept}."

    def ingredient(self) -> Ingredient:
        """The file for a manifest."""
        if self.unreadable:
            title = f"{self.name} (its credential was damaged beyond reading)"
            return Ingredient(title, self.media_type, without_credential(self.data, self.media_type))
        return Ingredient(self.name, self.media_type, self.data)

    def as_dict(self) -> dict[str, Any]:
        """What a result's record says of it."""
        found = self.credential
        return {
            "title": self.name,
            "sha256": hashlib.sha256(self.data).hexdigest(),
            "credential": found.state,
            "problems": sorted({problem.code for problem in found.problems}),
        }


def open_source(data: bytes, name: str, *, anchors_pem: Anchors, max_pixels: int) -> Source:
    """The file as a source. Raises NotAnImage and ImageTooLarge."""
    media_type, _, _ = inspect(data, max_pixels=max_pixels, what=name)
    pixels = upright(data, name, max_pixels=max_pixels)
    return Source(
        name=name,
        data=data,
        media_type=media_type,
        credential=read(data, media_type, anchors_pem),
        pixels_sha256=pixels_digest(pixels[..., :3]),
        turned=_orientation(data) != 1,
    )


def upright(data: bytes, name: str, *, max_pixels: int) -> np.ndarray[Any, Any]:
    """The pixels as uint8 [H,W,C], turned as the file asks. Raises NotAnImage and ImageTooLarge."""
    import numpy as np

    pixels = decode(data, max_pixels=max_pixels, what=name)
    turn = _orientation(data)
    if turn >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if turn in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if turn in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _orientation(data: bytes) -> int:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a size that our own limit allows, or of EXIF that is damaged
            with Image.open(io.BytesIO(data)) as image:
                turn = image.getexif().get(_ORIENTATION)
    except (OSError, ValueError, SyntaxError):
        return 1
    return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1
