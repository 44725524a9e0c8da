"""Batches of images: making one of pictures, and taking some of one, without touching the pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .host import current

if TYPE_CHECKING:
    import numpy as np


def as_image(pictures: Sequence[np.ndarray[Any, Any]]) -> Any:
    """uint8 [H,W,C] pictures of one size as an IMAGE, float32 [B,H,W,C] in 0..1."""
    import numpy as np

    batch = np.stack(pictures).astype(np.float32) / np.float32(255.0)
    return current().image(batch.shape, batch.nbytes, lambda: batch)


def take(images: Any, indexes: Sequence[int]) -> Any:
    """These images of the batch, in this order, exactly as they are. ``images`` may be a tensor or an array."""
    import numpy as np

    if hasattr(images, "detach"):
        return images[list(indexes)]
    batch = np.asarray(images)[list(indexes)]
    return current().image(batch.shape, batch.nbytes, lambda: batch)
