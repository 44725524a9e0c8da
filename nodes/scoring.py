"""How good a picture looks, by numbers that need no prompt and no model; and how alike two pictures are. Pure NumPy.

Each score is 0 to 1, higher is better. They are rough by nature: they find the blurred, the burnt out and the dull
among candidates, and say nothing of whether a picture shows what was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Pixels = np.ndarray[Any, Any]

LOOKED_AT = 512
"""Pictures are looked at with their longer side scaled down to this: sharpness must not depend on the resolution."""


def scores(pixels: Pixels) -> dict[str, float]:
    """``sharpness``, ``exposure``, ``contrast`` and ``colourfulness`` of a uint8 [H,W,C] picture."""
    small = _small(pixels)
    grey = small @ _weights()
    return {
        "sharpness": sharpness(grey),
        "exposure": exposure(grey),
        "contrast": contrast(grey),
        "colourfulness": colourfulness(small),
    }


def sharpness(grey: Pixels) -> float:
    """Spread of the Laplacian (Pech-Pacheco et al. 2000), where 0.5 is about a good photograph."""
    if min(grey.shape) < 3:
        return 0.0
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    spread = float(laplacian.var())
    return spread / (spread + 400.0)


def exposure(grey: Pixels) -> float:
    """1 for a mean near the middle and nothing lost in black or white; burnt out or drowned parts cost most."""
    lost = float(((grey <= 2) | (grey >= 253)).mean())
    off = abs(float(grey.mean()) - 118.0) / 137.0
    return max(0.0, 1.0 - off**2) * (1.0 - min(1.0, lost * 2))


def contrast(grey: Pixels) -> float:
    """Distance between the darkest and the brightest twentieth."""
    import numpy as np

    low, high = np.quantile(grey, (0.05, 0.95))
    return float((high - low) / 255.0)


def colourfulness(rgb: Pixels) -> float:
    """Hasler and Süsstrunk's measure (2003), where their "extremely colourful" (109) is 1."""
    import numpy as np

    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    first, second = red - green, (red + green) / 2 - blue
    spread = np.hypot(first.std(), second.std())
    mean = np.hypot(first.mean(), second.mean())
    return min(1.0, float(spread + 0.3 * mean) / 109.0)


def fingerprint(pixels: Pixels) -> int:
    """A perceptual hash of 64 bits: the signs of the lowest frequencies (pHash, Zauner 2010).

    Pictures that look alike differ in few bits, whatever their size, file format or brightness.
    """
    import numpy as np
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(pixels[..., :3])).convert("L").resize((32, 32), Image.Resampling.BOX)
    grey = np.asarray(picture, dtype=np.float64)
    waves = np.cos(np.pi / 32 * (np.arange(32) + 0.5) * np.arange(8)[:, None])
    low = (waves @ grey @ waves.T).ravel()
    # The first one is the mean brightness, which says nothing of the picture.
    bits = low > np.median(low[1:])
    return int("".join("1" if bit else "0" for bit in bits), 2)


def distance(one: int, other: int) -> int:
    """In how many of 64 bits two fingerprints differ; about 32 for pictures that have nothing in common."""
    return (one ^ other).bit_count()


def unlike(fingerprints: Sequence[int], tolerance: int) -> list[int]:
    """Indexes of the pictures to keep: each that is not within ``tolerance`` bits of one that is kept before it."""
    kept: list[int] = []
    for index, each in enumerate(fingerprints):
        if all(distance(each, fingerprints[other]) > tolerance for other in kept):
            kept.append(index)
    return kept


def _small(pixels: Pixels) -> Pixels:
    import numpy as np
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(pixels[..., :3]))
    picture.thumbnail((LOOKED_AT, LOOKED_AT), Image.Resampling.BOX)
    return np.asarray(picture, dtype=np.float32)


def _weights() -> Pixels:
    import numpy as np

    return np.array([0.299, 0.587, 0.114], dtype=np.float32)
