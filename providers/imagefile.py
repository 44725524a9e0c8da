"""What can be told of an image file without decoding its pixels, and the mask conversions vendors need."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import TYPE_CHECKING

from ..errors import ImageTooLarge, InvalidInput, NotAnImage
from .request import SourceImage

if TYPE_CHECKING:
    from PIL.Image import Image

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xae\x42\x60\x82"
_JPEG = b"\xff\xd8\xff"
_JPEG_END = b"\xff\xd9"
# Some encoders pad the end of a file; a picture's end mark is no further from it than this.
_TAIL = 4096
_AVIF = (b"avif", b"avis")
_MOST_PIXELS = 100_000_000


def media_type(data: bytes) -> str | None:
    """``image/png``, ``image/jpeg``, ``image/webp`` or ``image/avif`` by the first bytes, or None."""
    if data.startswith(_PNG):
        return "image/png"
    if data.startswith(_JPEG):
        return "image/jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp" and data[8:12] in _AVIF:
        return "image/avif"
    return None


def is_whole(data: bytes) -> bool:
    """Whether the file is of a kind we know and has its end, so that nothing was cut off on the way."""
    kind = media_type(data)
    if kind == "image/png":
        return _PNG_END in data[-_TAIL:]
    if kind == "image/jpeg":
        return _JPEG_END in data[-_TAIL:]
    if kind == "image/avif":
        return {b"meta", b"mdat"} <= _boxes(data)
    return kind == "image/webp" and len(data) >= 8 + int.from_bytes(data[4:8], "little")


def _boxes(data: bytes) -> set[bytes]:
    """The kinds of the boxes that the file is made of (ISO 14496-12), where all of them are there to their end."""
    kinds: set[bytes] = set()
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        kinds.add(data[at + 4 : at + 8])
        if size == 0:  # to the end of the file, wherever that is
            return kinds
        size = int.from_bytes(data[at + 8 : at + 16], "big") if size == 1 else size
        if size < 8:
            return set()
        at += size
    return kinds if at <= len(data) else set()


def size_of(image: SourceImage, name: str = "The image") -> tuple[int, int]:
    """Width and height by the header. Raises NotAnImage and ImageTooLarge."""
    with _opened(image, name) as picture:
        return int(picture.width), int(picture.height)


def alpha_mask(mask: SourceImage) -> bytes:
    """The mask (white: repaint) as a PNG whose alpha is 0 where OpenAI shall repaint.

    OpenAI knows only "fully transparent" or not, so greys are decided at the middle.
    """
    from PIL import Image

    with _opened(mask, "The mask") as picture:
        alpha = picture.convert("L").point([255] * 128 + [0] * 128)
    out = Image.new("RGBA", alpha.size, (0, 0, 0, 255))
    out.putalpha(alpha)
    file = BytesIO()
    out.save(file, "PNG", optimize=False)
    return file.getvalue()


def inverted_mask(mask: SourceImage) -> SourceImage:
    """The mask (white: repaint) for a vendor that repaints what is black."""
    from PIL import ImageOps

    with _opened(mask, "The mask") as picture:
        out = ImageOps.invert(picture.convert("L"))
    file = BytesIO()
    out.save(file, "PNG", optimize=False)
    return SourceImage(data=file.getvalue(), media_type="image/png")


def check_mask(mask: SourceImage, image: SourceImage) -> None:
    """The mask must be as large as the image it belongs to. Raises InvalidInput naming both sizes."""
    mask_size, image_size = size_of(mask, "The mask"), size_of(image)
    if mask_size != image_size:
        raise InvalidInput(
            f"The mask is {mask_size[0]}x{mask_size[1]} and the image {image_size[0]}x{image_size[1]}.",
            hint="Scale one of them: they must have the same size.",
        )


def read(image: SourceImage, name: str = "The image") -> Image:
    """The picture, opened and not yet decoded. Raises NotAnImage and ImageTooLarge."""
    return _opened(image, name)


def _opened(image: SourceImage, name: str) -> Image:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # The limit below is ours and lower than Pillow's.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(BytesIO(image.data))
    except (UnidentifiedImageError, OSError) as exc:
        raise NotAnImage(f"{name} is no image of a known kind.", hint="Give a PNG, JPEG or WebP file.") from exc
    except Image.DecompressionBombError as exc:
        raise ImageTooLarge(f"{name} has far too many pixels.", hint="Scale it down.") from exc
    if picture.width * picture.height > _MOST_PIXELS:
        raise ImageTooLarge(f"{name} is {picture.width}x{picture.height} pixels.", hint="Scale it down.")
    return picture
