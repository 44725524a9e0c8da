"""Between a provider's bytes and IMAGE: float32 [B,H,W,C] in 0..1, sRGB, in whatever form the host has for it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from ..errors import InvalidInput
from ..generation.pictures import decode
from .host import current

if TYPE_CHECKING:
    import numpy as np

    from ..generation.service import Picture


@dataclass(frozen=True)
class Batch:
    """Makes the pixels of pictures; and by it, an IMAGE that still stands for them is known again."""

    pictures: tuple[Picture, ...]
    shape: tuple[int, int, int, int]
    max_pixels: int

    def __call__(self) -> np.ndarray[Any, Any]:
        import numpy as np

        batch = np.zeros(self.shape, dtype=np.float32)
        for place, picture in zip(batch, self.pictures, strict=True):
            array = decode(picture.data, max_pixels=self.max_pixels)[..., :3]
            top, left = (self.shape[1] - array.shape[0]) // 2, (self.shape[2] - array.shape[1]) // 2
            place[top : top + array.shape[0], left : left + array.shape[1]] = array
        batch /= 255.0
        return batch


@dataclass(frozen=True)
class Frame:
    """One image of an IMAGE, and the picture that it surely still is; None where only its pixels can tell."""

    every: Callable[[], list[np.ndarray[Any, Any]]]
    place: int
    picture: Picture | None

    @property
    def pixels(self) -> np.ndarray[Any, Any]:
        """uint8 [H,W,C], C = 3 or 4; made when they are first asked for."""
        return self.every()[self.place]


def to_image(pictures: Sequence[Picture], *, max_pixels: int) -> Any:
    """The pictures as one IMAGE. Where their sizes differ, smaller ones are centred on black: a batch has one size."""
    height = max(picture.output.height for picture in pictures)
    width = max(picture.output.width for picture in pictures)
    kept = sum(len(picture.data) for picture in pictures)
    shape = (len(pictures), height, width, 3)
    return current().image(shape, kept, Batch(tuple(pictures), shape, max_pixels))


def to_frames(image: Any) -> list[Frame]:
    """The images of an IMAGE. Raises InvalidInput where it holds none.

    What the host has not decoded yet is not decoded for this: nobody can have changed it, so it is known by what it
    was made of.
    """
    every = cache(partial(to_pixels, image))
    made_by = getattr(image, "decode", None)
    pictures = made_by.pictures if isinstance(made_by, Batch) else [None] * len(every())
    return [Frame(every, place, picture) for place, picture in enumerate(pictures)]


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
