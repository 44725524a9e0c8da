"""From IMAGE to drafts of files: whose bytes are used, what they are made from, and what the artist is told."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .encoding import FORMATS, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from ..generation.record import Record
    from ..generation.sealing import Draft
    from ..generation.service import Generated, Picture
    from ..generation.source import Source
    from ..provenance.manifest import Origin
    from .pixels import Frame

MEASURED = 2**62
"""No limit: the file was measured when it was opened."""
NO_ROOM = "The graph is larger than a JPEG can hold, so the file has none: save as PNG or WebP to keep it."


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What was asked of the files."""

    format: str
    quality: int
    lossless: bool
    origin: Origin
    hides: bool
    """Whether the graph may have blurred or replaced pictures: see :func:`_alone`."""
    texts: Mapping[str, str] | None = field(repr=False)
    """The graph; None where none is kept."""

    @property
    def media_type(self) -> str:
        """Of the files."""
        return FORMATS[self.format].media_type

    def encoded(self, pixels: np.ndarray[Any, Any]) -> bytes:
        """The pixels as a file. Raises InvalidInput."""
        return encode(pixels, self.format, quality=self.quality, lossless=self.lossless)


def draft(
    made: Generated | None,
    record: Record | None,
    source: Source | None,
    frame: Frame,
    title: str,
    wanted: Wanted,
) -> tuple[Draft, list[str]]:
    """One image as a file to be signed, and what the artist must know of it. Raises InvalidInput.

    Pixels that were not touched since a provider or a file gave them keep its very bytes, where those are of the format
    asked for.
    """
    from ..generation.sealing import Draft
    from .originals import closest_of, original_in

    original = original_in(made, frame)
    is_source = original is None and source is not None and _is(source, frame.pixels)
    if source is not None and (is_source or made is None):
        data = _of_source(source, wanted) if is_source else wanted.encoded(frame.pixels)
        origin = "not_ai" if is_source else wanted.origin
        texts, notes = _texts(data, wanted)
        edited = not is_source and origin == "not_ai"  # what a model did is told as its own edit
        opened = source if is_source or not wanted.hides else _alone(source)
        kept: dict[str, Any] = {"opened": opened, "origin": origin, "edited": edited}
    else:
        data = _of_provider(original, wanted) if original else wanted.encoded(frame.pixels)
        texts, notes = _texts(data, wanted)
        closest, inputs = original or closest_of(made, frame.pixels), fed(made, source)
        edited = closest is not None and original is None
        if wanted.hides:
            inputs = tuple(_alone(each) for each in inputs)
            closest = _bare(closest) if edited and closest else closest
        kept = {"record": record, "source": closest, "origin": wanted.origin, "inputs": inputs, "edited": edited}
    return Draft(data=data, title=title, media_type=wanted.media_type, texts=texts, **kept), notes


def _alone(source: Source) -> Source:
    """The source without its credential, which may hold a small picture of it: of that a gate has hidden, perhaps."""
    from ..provenance.texts import without_credential

    if source.credential.state == "none":
        return source
    bare = without_credential(source.data, source.media_type)
    return replace(source, data=bare, name=f"{source.name} (without its credential, which may show what was hidden)")


def _bare(picture: Picture) -> Picture:
    """As :func:`_alone`, for what a provider sent."""
    from ..provenance.texts import without_credential

    return replace(picture, data=without_credential(picture.data, picture.output.media_type))


def _texts(data: bytes, wanted: Wanted) -> tuple[Mapping[str, str], list[str]]:
    from ..provenance.texts import fits

    if not wanted.texts or fits(data, wanted.media_type, wanted.texts):
        return wanted.texts or {}, []
    return {}, [NO_ROOM]


def fed(made: Generated | None, source: Source | None) -> tuple[Source, ...]:
    """The files that were fed to the model: those the record came with, and one connected by hand."""
    every = (*(made.sources if made else ()), *((source,) if source else ()))
    return tuple({each.data: each for each in every}.values())


def _is(source: Source, pixels: np.ndarray[Any, Any]) -> bool:
    from ..generation.pictures import pixels_digest

    return pixels.shape[-1] == 3 and pixels_digest(pixels) == source.pixels_sha256


def _kept(data: bytes, media_type: str, wanted: Wanted) -> bytes | None:
    """The file's own bytes where they are of the wanted format; without a graph, also without any other words.

    Some providers write the prompt into what they send.
    """
    from ..provenance.texts import bare

    if media_type != wanted.media_type:
        return None
    return data if wanted.texts is not None else bare(data, media_type)


def _of_provider(picture: Picture, wanted: Wanted) -> bytes:
    from ..generation.pictures import decode

    own, limit = picture.output, picture.output.width * picture.output.height
    return _kept(picture.data, own.media_type, wanted) or wanted.encoded(decode(picture.data, max_pixels=limit))


def _of_source(source: Source, wanted: Wanted) -> bytes:
    from ..generation.source import upright

    # A file that asks to be turned does not hold the pixels as they were seen.
    kept = None if source.turned else _kept(source.data, source.media_type, wanted)
    return kept or wanted.encoded(upright(source.data, source.name, max_pixels=MEASURED))
