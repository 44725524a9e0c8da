"""What a picture looks like, in 320 bits: so that a copy is known again whose credential was stripped.

The picture, 64 x 64 points, as cosines (DCT-II). Of its brightness a bit for each of the 256 lowest frequencies says
whether it is above their median; of its two colour differences 32 bits each whether a frequency is there. Re-encoding
and scaling leave these bits as good as untouched. Cropping shifts them all, so who looks a picture up asks for
:func:`guesses`: what the whole picture would have looked like if this were what a crop of up to a tenth of its width
and height left over. What was cut away is filled in as an image of neighbouring likeness (a first order Gauss-Markov
field) most probably goes on, which is linear and so one small matrix a side.

It is a fingerprint, not a watermark: two pictures of the same look have the same bits. A picture without features (one
colour, a smooth gradient, faint noise) has no look: what is measured of it would be chance. Pure, with NumPy and
Pillow. The numbers stand in docs/softbinding.md and are measured by ``bench/softbinding.py``.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..errors import ImageTooLarge, NotAnImage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ALGORITHM = "org.mintmark.look.1"
"""The ``alg`` of soft-binding assertions: our own, and on no list of C2PA's."""
BITS = 320
LIKE = 76
"""Looks that differ in at most so many bits are of one picture."""
GREY = 12
"""So many bits count as different in a picture without colour: it has fewer that tell it from others."""
SIDE = 128
"""Points a side of what is looked at."""
_INNER = 64
_FREQUENCIES, _COLOURS = 16, 7
_LOWEST = sorted(((row, column) for row in range(7) for column in range(7)), key=lambda at: (sum(at), at))[1:33]
"""The frequencies of a colour difference, but for the mean."""
_REACH, _NOISE = 0.5, 1e-3
"""Of the field: over which part of the picture likeness fades, and how much of a point is noise."""
_FAINT = 50.0
"""Half of the frequencies have to be stronger than that. Of 486 pictures the faintest had 152, the median 1768; smooth
gradients have below 5, noise of 3 levels has 30."""
CUTS = (
    *((0.0, 0.0), (0.0, 0.05), (0.025, 0.025), (0.05, 0.0)),
    *((0.0, 0.1), (0.025, 0.075), (0.05, 0.05), (0.075, 0.025), (0.1, 0.0)),
)
"""Which parts of a side may be missing, before and behind; the first is that nothing is."""


def look(data: bytes, *, max_pixels: int) -> bytes | None:
    """The look of a picture file, 32 bytes; None where it has none. Raises NotAnImage and ImageTooLarge."""
    return look_of(points(data, max_pixels=max_pixels))


def guesses(data: bytes, *, max_pixels: int) -> list[bytes]:
    """What the picture looked like before it was cropped, if it was; its own look is the first. Empty where it has
    none. Raises as :func:`look`."""
    return guesses_of(points(data, max_pixels=max_pixels))


def guesses_of(seen: Floats) -> list[bytes]:
    """The same, of what :func:`points` gave."""
    sides = range(len(CUTS))
    if look_of(seen) is None:
        return []
    found = (_bits(seen, _side(rows), _side(columns)) for rows in sides for columns in sides)
    return [each for each in found if each is not None]


def points(data: bytes, *, max_pixels: int) -> Floats:
    """Brightness and colour differences, :data:`SIDE` points a side, upright, whatever the picture's shape. Raises as
    :func:`look`."""
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > max_pixels:
                raise ImageTooLarge(f"The image has more than {max_pixels} pixels.", hint="Scale it down.")
            # A JPEG is unpacked at an eighth of its size where that is enough.
            image.draft("RGB", (SIDE * 2, SIDE * 2))
            return points_of(ImageOps.exif_transpose(image))
    except (OSError, ValueError, SyntaxError) as exc:
        raise NotAnImage("The picture is damaged or cut off.", hint="Save it again.") from exc


def look_of(seen: Floats) -> bytes | None:
    """The look of what :func:`points` gave."""
    return _bits(seen, _side(0), _side(0))


def points_of(image: Any) -> Floats:
    """What :func:`points` gives, of a Pillow image that is unpacked already."""
    import numpy as np
    from PIL import Image

    if image.has_transparency_data:
        # What nobody sees must not count.
        seen = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)
    small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    found = np.asarray(small.convert("YCbCr"), dtype=np.float64)
    return np.ascontiguousarray(np.moveaxis(found - found.mean(axis=(0, 1)), 2, 0))


def _bits(seen: Floats, rows: Floats, columns: Floats) -> bytes | None:
    import numpy as np

    bright = rows @ seen[0] @ columns.T
    bright[0, 0] = 0.0  # how bright it is as a whole tells nothing
    if np.median(np.abs(bright)) < _FAINT:
        return None
    colours = [(rows[:_COLOURS] @ each @ columns[:_COLOURS].T)[tuple(zip(*_LOWEST, strict=True))] for each in seen[1:]]
    bits = [bright.ravel() > np.median(bright), *(each > _FAINT for each in colours)]
    return np.packbits(np.concatenate(bits)).tobytes()


@lru_cache
def _side(cut: int) -> Floats:
    """From the points of a side to its lowest frequencies, where :data:`CUTS` says what of the side is missing."""
    import numpy as np

    before, behind = CUTS[cut]
    whole = (np.arange(_INNER) + 0.5) / _INNER
    left = before + (np.arange(SIDE) + 0.5) / SIDE * (1 - before - behind)
    known = _likeness(left, left) + _NOISE * np.eye(SIDE)
    frequencies = np.arange(_FREQUENCIES)[:, None]
    cosines = np.cos(np.pi * frequencies * (2 * np.arange(_INNER)[None, :] + 1) / (2 * _INNER))
    cosines[0] /= np.sqrt(2)
    return np.asarray(cosines @ _likeness(whole, left) @ np.linalg.inv(known), dtype=np.float64)


def _likeness(one: Floats, other: Floats) -> Floats:
    import numpy as np

    return np.asarray(np.exp(-np.abs(one[:, None] - other[None, :]) / _REACH), dtype=np.float64)
