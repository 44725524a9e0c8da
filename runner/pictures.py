"""Picture files: between pixels and PNG, JPEG and whatever Pillow reads."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from ..errors import ImageTooLarge, NotAnImage
from .images import as_array

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image

    from .images import Pixels

MAX_PIXELS = 178_956_970
"""Pillow's own limit for one picture, here for all its frames together; more is taken for a bomb."""

ANIMATED = ("PNG", "WEBP")
"""Formats whose frames become a batch; of any other only the first picture is read, as in ComfyUI 0.33."""

LAYERED = ("P", "PA", "CMYK")
"""Kinds of pixels that get a mask of their size although nothing in them is transparent."""


def to_pillow(picture: Any) -> Image.Image:
    """One picture ``[H, W, C]`` (or ``[H, W]``) as an 8-bit Pillow image."""
    import numpy as np
    from PIL import Image

    # ComfyUI truncates instead of rounding; a file must have the same pixels wherever its graph ran.
    scaled = np.nan_to_num(255.0 * np.asarray(picture), nan=0.0)
    eight_bit = np.clip(scaled, 0, 255).astype(np.uint8)
    if eight_bit.ndim == 3 and eight_bit.shape[-1] == 1:
        eight_bit = eight_bit[..., 0]
    return Image.fromarray(eight_bit)


def png(picture: Any, chunks: dict[str, Any], *, compress_level: int = 4) -> bytes:
    """One picture as a PNG with each chunk as JSON in a tEXt chunk of its name (``prompt``, ``workflow``)."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for name, value in chunks.items():
        info.add_text(name, json.dumps(value))
    buffer = io.BytesIO()
    to_pillow(picture).save(buffer, "PNG", pnginfo=info, compress_level=compress_level)
    return buffer.getvalue()


def chunks_of(prompt: Any, extra_pnginfo: Any) -> dict[str, Any]:
    """What ComfyUI writes into a PNG: the prompt, and each entry of ``extra_pnginfo``."""
    found = {"prompt": prompt} if prompt is not None else {}
    return {**found, **(extra_pnginfo if isinstance(extra_pnginfo, dict) else {})}


def load(path: Path) -> tuple[Pixels, Pixels]:
    """An image file as IMAGE and MASK; the mask is what is transparent (1 = transparent), 64x64 zeros without alpha.

    Raises:
        NotAnImage: Pillow cannot read it.
        ImageTooLarge: it has more pixels than the limit.
    """
    import numpy as np
    from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

    try:
        with Image.open(path) as opened:
            frames_told = getattr(opened, "n_frames", 1) if opened.format in ANIMATED else 1
            if opened.width * opened.height * frames_told > MAX_PIXELS:
                size = f"{frames_told} x {opened.width}x{opened.height}"
                raise ImageTooLarge(f"{path.name} is {size}, over {MAX_PIXELS} pixels.")
            layered = opened.mode in LAYERED or opened.format == "GIF"
            every = ImageSequence.Iterator(opened) if opened.format in ANIMATED else [opened]
            frames = [ImageOps.exif_transpose(frame.copy()) for frame in every]
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise NotAnImage(f"{path.name} is not an image that can be read.") from error
    same = [frame for frame in frames if frame.size == frames[0].size]
    return np.stack([_colors(frame) for frame in same]), np.stack([_mask(frame, layered=layered) for frame in same])


def _colors(frame: Image.Image) -> Any:
    """RGB in 0..1. A picture of 16 bits keeps them."""
    import numpy as np

    if frame.mode.startswith("I;16"):
        grey = np.asarray(frame, dtype=np.float32) / 65535
        return grey[..., None].repeat(3, axis=-1)
    return np.asarray(frame.convert("RGB"), dtype=np.float32) / 255


def _mask(frame: Image.Image, *, layered: bool) -> Any:
    import numpy as np

    if layered or "A" in frame.getbands() or "transparency" in frame.info:
        return 1.0 - np.asarray(frame.convert("RGBA").getchannel("A"), dtype=np.float32) / 255
    return np.zeros((64, 64), dtype=np.float32)


def jpeg_preview(image: Any, max_size: int = 512) -> bytes:
    """A small JPEG of a picture given as a Pillow image, an array or a tensor."""
    from PIL import Image

    picture = image if isinstance(image, Image.Image) else to_pillow(as_array(image)[0])
    small = picture.convert("RGB")
    small.thumbnail((max_size, max_size))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()
