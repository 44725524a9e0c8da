"""Looking into image bytes without trusting them: kind and size from the header, pixels only within the limit."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ImageTooLarge, NotAnImage
from ..provenance.avif import is_avif
from .plain_png import plain_png
from .record import Output

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

_ALL_FRAMES, _ONE_PICTURE = ("PNG", "WEBP"), ("JPEG", "MPO")
MEDIA_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "AVIF": "image/avif"}
"""The kinds we take in, by Pillow's format names."""


def inspect(data: bytes, *, max_pixels: int, what: str = "The file") -> tuple[str, int, int]:
    """(media type, width, height) from the header alone. Raises NotAnImage and ImageTooLarge."""
    if (plain := plain_png(data)) is not None and plain[0] * plain[1] <= max_pixels:
        return MEDIA_TYPES["PNG"], *plain
    with _open(data, max_pixels=max_pixels, what=what) as image:
        return MEDIA_TYPES[str(image.format)], image.width, image.height


def frames_in(data: bytes) -> tuple[int, int, tuple[int, int]]:
    """(width, height, how many pictures a node that loads the file gives at least and at most), without decoding one.

    Of a GIF some hosts give the first frame and some give all; of a JPEG with several pictures they give the first.
    Raises NotAnImage.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                frames = 1 if image.format in _ONE_PICTURE else int(getattr(image, "n_frames", 1))
                return image.width, image.height, (frames if image.format in _ALL_FRAMES else 1, frames)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError, KeyError) as exc:
        raise NotAnImage("The file is no image of a known kind.") from exc


def decode(data: bytes, *, max_pixels: int, what: str = "The file") -> np.ndarray[Any, Any]:
    """The pixels as uint8 [H,W,C], C = 3, or 4 where the image has transparency.

    Raises NotAnImage, also for truncated data, and ImageTooLarge before anything is unpacked.
    """
    import numpy as np

    with _open(data, max_pixels=max_pixels, what=what) as image:
        return np.asarray(_unpacked(image, what))


def opened(data: bytes, *, max_pixels: int, what: str = "The file") -> tuple[str, Image]:
    """(media type, upright picture) in RGB, or RGBA where it has transparency. Raises NotAnImage and ImageTooLarge."""
    from PIL import ImageOps

    with _open(data, max_pixels=max_pixels, what=what) as image:
        return MEDIA_TYPES[str(image.format)], _unpacked(ImageOps.exif_transpose(image), what)


def describe(data: bytes, *, max_pixels: int) -> Output:
    """An output's facts, pixels included. Raises NotAnImage and ImageTooLarge."""
    what = "The provider's image"
    # Without NumPy, as many an image is only handed on and nobody else asks for its pixels.
    with _open(data, max_pixels=max_pixels, what=what) as image:
        colours = _unpacked(image, what).convert("RGB")
        media_type = MEDIA_TYPES[str(image.format)]
    return Output(
        sha256=hashlib.sha256(data).hexdigest(),
        media_type=media_type,
        width=image.width,
        height=image.height,
        pixels_sha256=_digest((image.height, image.width, 3), colours.tobytes()),
    )


def shown_as(data: bytes, media_type: str, *, max_pixels: int) -> tuple[bytes, str]:
    """The image as everybody can look at it, and its media type: as it is, but an AVIF, which few take, as PNG.

    Raises NotAnImage and ImageTooLarge.
    """
    if media_type != MEDIA_TYPES["AVIF"]:
        return data, media_type
    file = io.BytesIO()
    opened(data, max_pixels=max_pixels)[1].save(file, "PNG", compress_level=1)
    return file.getvalue(), MEDIA_TYPES["PNG"]


def pixels_digest(pixels: np.ndarray[Any, Any]) -> str:
    """SHA-256 over shape and bytes of uint8 pixels [H,W,C]."""
    import numpy as np

    return _digest(pixels.shape, np.ascontiguousarray(pixels).data)


def _digest(shape: Sequence[int], data: bytes | memoryview) -> str:
    told = hashlib.sha256("x".join(map(str, shape)).encode())
    told.update(data)
    return told.hexdigest()


def _unpacked(image: Image, what: str) -> Image:
    """The image as RGB, or RGBA where it has transparency."""
    try:
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    except (OSError, ValueError, SyntaxError) as exc:
        raise NotAnImage(f"{what} is damaged: {exc}.") from exc


def _open(data: bytes, *, max_pixels: int, what: str) -> Image:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Pillow warns of bombs at its own limit; ours is checked below, before any pixel is unpacked.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            # Pillow before 11.3 knows no AVIF, and is not asked for it where the file is none.
            formats = ["AVIF"] if is_avif(data) else [name for name in MEDIA_TYPES if name != "AVIF"]
            image = Image.open(io.BytesIO(data), formats=formats)
    except Image.DecompressionBombError as exc:
        raise ImageTooLarge(f"{what} has far too many pixels: {exc}.") from exc
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, KeyError) as exc:
        raise NotAnImage(f"{what} is no PNG, JPEG, WebP or AVIF image.", hint="Convert it first.") from exc
    if image.width * image.height > max_pixels:
        raise ImageTooLarge(
            f"{what} is {image.width}x{image.height}: more than {max_pixels} pixels.",
            hint="Scale it down, or raise MINTMARK_MAX_PIXELS.",
        )
    return image
