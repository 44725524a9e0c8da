"""IMAGE and MASK as diffusers takes them: float32 tensors, channels first, of the size that is made.

Values stay floats: what a node before made is not rounded to the 256 levels of a file.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from ...errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np

HALF = 0.5
"""From here on a mask's pixel is repainted; diffusers takes masks as yes or no."""


def channels_first(image: Any, name: str) -> Any:
    """An IMAGE [B,H,W,C], tensor or array, as RGB [B,3,H,W] in 0..1. Raises InvalidInput naming the field.

    It stays in memory as it is, the channels last: so diffusers has it where it is given files, and convolutions of the
    other order round otherwise. Grey becomes RGB, transparency is left out; what is no number counts as black, as for
    hosted models.
    """
    import torch

    return torch.from_numpy(as_array(image, name)).permute(0, 3, 1, 2)


def as_array(image: Any, name: str) -> np.ndarray[Any, Any]:
    """The same as float32 [B,H,W,3]. Needs no torch where the IMAGE is none of its tensors."""
    import numpy as np

    array = _array(image)
    if array is None or array.ndim != 4 or 0 in array.shape or array.shape[-1] not in (1, 3, 4):
        raise InvalidInput(f"{name}: {_told(image)} is no batch of images.", hint="Connect an IMAGE output.")
    rgb = np.broadcast_to(array[..., :3], (*array.shape[:3], 3))
    clipped: np.ndarray[Any, Any] = np.clip(np.nan_to_num(rgb), 0.0, 1.0)
    return clipped


def mask_first(mask: Any, own: tuple[int, int], made: tuple[int, int], count: int) -> Any:
    """A MASK [H,W] or [B,H,W] as [B,1,H,W] of 0 and 1, where 1 is repainted.

    It lies on ``count`` images that are ``own`` wide and tall, and is scaled with them to what is ``made``. One of
    another size but of the same shape, as ComfyUI's latent masks may be, is scaled, too.

    Raises InvalidInput where it is none, is empty, has another shape, or is not one for all or one for each.
    """
    import torch

    array = _array(mask)
    array = array[None] if array is not None and array.ndim == 2 else array
    if array is None or array.ndim != 3 or 0 in array.shape:
        raise InvalidInput(f"mask: {_told(mask)} is no batch of masks.", hint="Connect a MASK output.")
    if len(array) not in (1, count):
        raise InvalidInput(
            f"mask: there are {len(array)} masks for {count} images.",
            hint="Give one mask for each image, or one for all of them.",
        )
    check_shape((array.shape[-1], array.shape[-2]), own)
    tensor = torch.nan_to_num(torch.from_numpy(array))[:, None]
    binary = (fitted(tensor, made) >= HALF).float()
    if not all(each.any() for each in binary):
        raise InvalidInput(
            "mask: it is empty, so nothing would be repainted.",
            hint="Paint it on the image (right-click it, Open in Mask Editor).",
        )
    return binary


def fitted(pixels: Any, sides: tuple[int, int]) -> Any:
    """[B,C,H,W] scaled to this width and height; untouched where it has them."""
    import torch

    width, height = sides
    if pixels.shape[-2:] == (height, width):
        return pixels
    scaled = torch.nn.functional.interpolate(pixels, size=(height, width), mode="bicubic", antialias=True)
    return scaled.clamp(0, 1).contiguous(memory_format=torch.channels_last)


def check_shape(mask: tuple[int, int], image: tuple[int, int]) -> None:
    """Raises InvalidInput where a mask of this width and height has another shape than the image."""
    # Rounding to a multiple of eight on the way is no other shape.
    if abs(mask[0] * image[1] - image[0] * mask[1]) > 8 * max(*mask, *image):
        raise InvalidInput(
            f"mask: it is {mask[0]}x{mask[1]} and the image is {image[0]}x{image[1]}.",
            hint="Paint it on the image (right-click it, Open in Mask Editor), or scale one to the other's size.",
        )


def check_numbers(value: Any, name: str) -> None:
    """Raises InvalidInput where an array holds what is no number: nothing but black would come of such a latent."""
    import numpy as np

    array = _array(value)
    if array is not None and not np.isfinite(array).all():
        raise InvalidInput(
            f"{name}: it holds values that are no numbers.",
            hint="The node before it overflowed: sample with dtype float32, or with less guidance.",
        )


def digest(value: Any, name: str) -> str:
    """SHA-256 of an array's shape and of its numbers as float32. Raises InvalidInput where it is none."""
    array = _array(value)
    if array is None:
        raise InvalidInput(f"{name}: {_told(value)} is no array of numbers.", hint="Connect another output.")
    return hashlib.sha256(f"{array.shape}".encode() + array.tobytes()).hexdigest()


def _array(value: Any) -> np.ndarray[Any, Any] | None:
    """As float32, a copy; None where it is no array of numbers."""
    import numpy as np

    if hasattr(value, "detach"):
        value = value.detach().float().cpu().numpy()
    if not hasattr(value, "__array__"):
        return None
    try:
        return np.array(value, dtype=np.float32)
    except (TypeError, ValueError):
        return None


def _told(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return str(list(shape)) if shape else f"a {type(value).__name__}"
