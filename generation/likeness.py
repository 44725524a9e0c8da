"""How alike two pictures are, at a glance: enough to find which of a few files changed pixels came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .pictures import decode

if TYPE_CHECKING:
    import numpy as np

_MEASURED = 2**62
"""No limit: the files were measured when they came."""
_SIDE = 16
"""Of the small pictures that are compared, in pixels."""


def unlike(data: bytes, pixels: np.ndarray[Any, Any]) -> float:
    """How far a file's picture is from these pixels, uint8 [H,W,C], when both are made small: 0 is the same, 255 black
    from white."""
    return float(abs(_small(decode(data, max_pixels=_MEASURED)) - _small(pixels)).mean())


def _small(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    import numpy as np
    from PIL import Image

    small = Image.fromarray(np.ascontiguousarray(pixels[..., :3])).resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32)
