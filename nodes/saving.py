"""From IMAGE to drafts of files: whose bytes are used, what they are made from, and what the artist is told."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .encoding import FORMATS, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy as np

    from ..generation.record import Record
    from ..generation.sealing import Draft
    from ..generation.service import Generated, Picture
    from ..generation.source import Source
    from ..moderation.verdict import Verdict
    from ..provenance.actions import Origin
    from .ancestry import Ancestry
    from .pixels import Frame

MEASURED = 2**62
"""No limit: the file was measured when it was opened."""
NO_ROOM = "The graph does not fit into this file, so it has none: save as PNG or WebP to keep it."


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What was asked of the files."""

    format: str
    quality: int
    lossless: bool
    origin: Origin
    hides: bool
    """Whether the graph may have blurred or replaced pictures: see :func:`~..generation.blurring.alone`."""
    texts: Mapping[str, str] | None = field(repr=False)
    """The graph; None where none is kept."""

    @property
    def media_type(self) -> str:
        """Of the files."""
        return FORMATS[self.format].media_type

    def encoded(self, pixels: np.ndarray[Any, Any]) -> bytes:
        """The pixels as a file. Raises InvalidInput."""
        return encode(pixels, self.format, quality=self.quality, lossless=self.lossless, texts=self.texts)


def draft(
    ancestry: Ancestry, record_of: Callable[[Generated], Record], frame: Frame, title: str, wanted: Wanted
) -> tuple[Draft, list[str]]:
    """One image as a file to be signed, and what the artist must know of it. Raises InvalidInput.

    Pixels that were not touched since a provider or a file gave them keep its very bytes, where those are of the format
    asked for. ``record_of``: a result's record, as this job's own.
    """
    from ..generation.sealing import Draft

    data, kept = _untouched(ancestry, record_of, frame, wanted) or _changed(ancestry, record_of, frame, wanted)
    texts, notes = _texts(data, wanted)
    kept |= {"media_type": wanted.media_type, "texts": texts, "choices": ancestry.choices}
    return Draft(data=data, title=title, **kept), notes


def of_words(draft: Draft, said: tuple[Verdict, ...]) -> Draft:
    """The draft with what was decided of the words that its pixels were made of. Those that are just as a provider gave
    them have nothing in them beside what their record tells."""
    return draft if draft.record is not None and not draft.edited else replace(draft, prompts=said)


def _untouched(
    ancestry: Ancestry, record_of: Callable[[Generated], Record], frame: Frame, wanted: Wanted
) -> tuple[bytes, dict[str, Any]] | None:
    """The file of pixels that are just as a provider or a file gave them, and what is said of it; else None."""
    from ..generation import telling
    from .originals import original_among

    if (found := original_among(ancestry.results, frame)) is not None:
        made, picture = found
        inputs = _fit(ancestry.inputs(made, ancestry.way_from(made)), wanted)
        return _of_provider(picture, wanted), {"record": record_of(made), "source": picture, "inputs": inputs}
    source = next((each for each in ancestry.files.values() if _is(each, frame.pixels)), None)
    if source is None:
        return None
    # Of a file that was only picked from a folder, the artist may know that AI was in it. One that is connected tells.
    origin: Origin = "not_ai" if source is ancestry.source else telling.said(wanted.origin)
    return _of_source(source, wanted), {"opened": source, "origin": origin}


def _changed(
    ancestry: Ancestry, record_of: Callable[[Generated], Record], frame: Frame, wanted: Wanted
) -> tuple[bytes, dict[str, Any]]:
    """New pixels as a file, and what the graph, or else what the artist connected, says of them."""
    from ..generation import telling
    from ..generation.blurring import bare
    from .originals import closest_of

    way = ancestry.way_of(frame.pixels)
    if way is None and ancestry.record is None and ancestry.source is not None:
        kept: dict[str, Any] = {"opened": _fit([ancestry.source], wanted)[0], "edited": wanted.origin == "not_ai"}
        return wanted.encoded(frame.pixels), {**kept, "origin": wanted.origin}
    made = ancestry.made_at(way.root, frame.pixels) if way else ancestry.record
    file = None if way is None or made else ancestry.files.get(way.root.node)
    shown = [each for each in ancestry.inputs(made, way) if each is not file]
    steps = telling.done(way, lambda roots: _fit(ancestry.sources(roots), wanted), wanted.origin) if way else ()
    kept = {"inputs": _fit(shown, wanted), "steps": steps}
    if made is not None and (closest := closest_of(made, frame.pixels)) is not None:
        kept |= {"record": record_of(made), "source": bare(closest) if wanted.hides else closest, "edited": True}
    elif file is not None:
        kept |= telling.opened(_fit([file], wanted)[0], steps, wanted.origin)
    else:
        kept |= telling.begun(way.root, wanted.origin) if way else {"origin": wanted.origin}
    return wanted.encoded(frame.pixels), kept


def _fit(sources: Iterable[Source], wanted: Wanted) -> tuple[Source, ...]:
    """The sources as the file may name them, each once."""
    from ..generation.blurring import alone

    every = tuple({each.data: each for each in sources}.values())
    return tuple(alone(each) for each in every) if wanted.hides else every


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
