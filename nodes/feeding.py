"""IMAGE and MASK as the files that go into a hosted call, and what those files are made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np

    from ..config import Settings
    from ..generation.service import Generated, Picture
    from ..generation.source import Source
    from ..providers.request import SourceImage

MAX_BATCH = 64
"""A video's frames, connected by mistake, must not become a thousand calls."""
_PAINT = "Paint it on the image (right-click it, Open in Mask Editor)."
_FIT = _PAINT.replace(").", "), or scale one to the other's size.")


class Feed:
    """The files of one execution. ``record`` and ``source`` say where the images come from, where that is known."""

    def __init__(self, record: Generated | None = None, source: Source | None = None) -> None:
        self._record, self._source = record, source
        self._used: dict[str, Picture] = {}

    def images(self, image: Any, name: str = "image") -> list[SourceImage]:
        """The batch, one file a picture. Raises InvalidInput naming the input."""
        return [self._file(pixels) for pixels in _pixels(image, name)]

    def masked(self, image: Any, mask: Any) -> list[tuple[SourceImage, SourceImage]]:
        """Each picture with its mask; one mask serves a whole batch. Raises InvalidInput naming both sizes."""
        pictures, masks = _pixels(image, "image"), masks_of(mask)
        if len(masks) not in (1, len(pictures)):
            raise InvalidInput(
                f"mask: there are {len(masks)} masks for {len(pictures)} images.",
                hint="Give one mask for each image, or one for all of them.",
            )
        if masks[0].shape != pictures[0].shape[:2]:
            raise InvalidInput(f"mask: it is {_size(masks[0])} and the image is {_size(pictures[0])}.", hint=_FIT)
        every = masks * len(pictures) if len(masks) == 1 else masks
        return [(self._file(one), _mask_file(each)) for one, each in zip(pictures, every, strict=True)]

    def sources(self, settings: Settings) -> tuple[Source, ...]:
        """The files that the results' credentials name: those of an earlier node, and one that was loaded."""
        from ..generation.source import open_source
        from ..provenance.trust import trust_of

        found: list[Source] = list(self._record.sources) if self._record else []
        anchors = trust_of(settings) if self._used else None
        for picture in self._used.values():
            title = f"{self._record.record.model} result" if self._record else "image"
            found.append(open_source(picture.data, title, anchors_pem=anchors, max_pixels=settings.max_pixels))
        found += [self._source] if self._source else []
        return tuple({each.data: each for each in found}.values())

    def _file(self, pixels: np.ndarray[Any, Any]) -> SourceImage:
        from ..providers.request import SourceImage
        from .originals import closest_of, original_of
        from .pixels import to_png

        original = original_of(self._record, pixels)
        if (used := original or closest_of(self._record, pixels)) is not None:
            self._used[used.output.sha256] = used
        if original is not None and _is_just(original, pixels):
            return SourceImage(data=original.data, media_type=original.output.media_type)
        # A file that was loaded is not sent as it is: its metadata is nobody's business.
        return SourceImage(data=to_png(pixels), media_type="image/png")


def _is_just(picture: Picture, pixels: np.ndarray[Any, Any]) -> bool:
    """Whether the provider's file decodes to these pixels and no more: no black around them, no transparency."""
    from ..generation.pictures import decode

    own = decode(picture.data, max_pixels=picture.output.width * picture.output.height)
    return bool(own.shape == pixels.shape)


def _pixels(image: Any, name: str) -> list[np.ndarray[Any, Any]]:
    from .pixels import to_pixels

    try:
        pictures = to_pixels(image)
    except InvalidInput as exc:
        raise InvalidInput(f"{name}: {exc.message.removeprefix('images: ')}", hint=exc.hint) from exc
    if len(pictures) > MAX_BATCH:
        raise InvalidInput(
            f"{name}: the batch has {len(pictures)} images, and each may be a call that is charged; "
            f"{MAX_BATCH} is the most.",
            hint="Split the batch, or pick the best of it.",
        )
    return pictures


def masks_of(mask: Any) -> list[np.ndarray[Any, Any]]:
    """A MASK as uint8 [H,W] arrays in which 255 is repainted."""
    import numpy as np

    array = np.asarray(mask.detach().float().cpu() if hasattr(mask, "detach") else mask, dtype=np.float32)
    array = array[None] if array.ndim == 2 else array
    if array.ndim != 3 or 0 in array.shape:
        raise InvalidInput(f"mask: {list(array.shape)} is no batch of masks.", hint="Connect a MASK output.")
    found = list((np.clip(np.nan_to_num(array), 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8))
    if not all(each.max() >= 128 for each in found):
        raise InvalidInput("mask: it is empty, so nothing would be repainted.", hint=_PAINT)
    return found


def _mask_file(mask: np.ndarray[Any, Any]) -> SourceImage:
    from ..providers.request import SourceImage
    from .pixels import to_png

    return SourceImage(data=to_png(mask), media_type="image/png")


def _size(pixels: np.ndarray[Any, Any]) -> str:
    return f"{pixels.shape[1]}x{pixels.shape[0]}"
