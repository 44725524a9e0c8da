"""Between a provider's bytes and IMAGE: float32 [B,H,W,C] in 0..1, sRGB, in whatever form the host has for it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import InvalidInput
from ..generation.pictures import decode
from .host import current

if TYPE_CHECKING:
    import numpy as np

    from ..generation.service import Picture


def to_image(pictures: Sequence[Picture], *, max_pixels: int) -> Any:
    """The pictures as one IMAGE. Where their sizes differ, smaller ones are centred on black: a batch has one size."""
    height = max(picture.output.height for picture in pictures)
    width = max(picture.output.width for picture in pictures)
    kept = sum(len(picture.data) for picture in pictures)
    shape = (len(pictures), height, width, 3)
    return current().image(shape, kept, lambda: _batch(pictures, shape, max_pixels))


def _batch(pictures: Sequence[Picture], shape: tuple[int, ...], max_pixels: int) -> np.ndarray[Any, Any]:
    import numpy as np

    batch = np.zeros(shape, dtype=np.float32)
    for place, picture in zip(batch, pictures, strict=True):
        array = decode(picture.data, max_pixels=max_pixels)[..., :3]
        top, left = (shape[1] - array.shape[0]) // 2, (shape[2] - array.shape[1]) // 2
        place[top : top + array.shape[0], left : left + array.shape[1]] = array
    batch /= 255.0
    return batch


def to_pixels(image: Any) -> list[np.ndarray[Any, Any]]:
    """An IMAGE as uint8 [H,W,C] arrays, one a picture, C = 3 or 4. Raises InvalidInput where it holds none.

    Grey becomes RGB; what is no number counts as black, as other nodes' arithmetic can leave it behind.
    """
    import numpy as np

    array = np.asarray(image.detach().float().cpu() if hasattr(image, "detach") else image, dtype=np.float32)
    if array.ndim != 4 or 0 in array.shape or array.shape[-1] not in (1, 3, 4):
        raise InvalidInput(f"images: {list(array.shape)} is no batch of images.", hint="Connect an IMAGE output.")
    if array.shape[-1] == 1:
        array = np.repeat(array, 3, axis=-1)
    return list((np.clip(np.nan_to_num(array), 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8))


def to_png(pixels: np.ndarray[Any, Any]) -> bytes:
    """The pixels as a PNG file."""
    from PIL import Image

    buffer = io.BytesIO()
    # Level 4 is what ComfyUI's own save node uses: near the best size for a third of the time.
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=4)
    return buffer.getvalue()
