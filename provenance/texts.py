"""The graph's texts in a file, whatever its format: PNG has text chunks, the others keep them in EXIF. Pure.

A credential covers them, so they are written before signing. No pixel is touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

from ..errors import InternalError
from . import avif, exif, jpeg, png, webp

PNG, JPEG, WEBP, AVIF = "image/png", "image/jpeg", "image/webp", "image/avif"
_WITH_EXIF: Mapping[str, ModuleType] = {JPEG: jpeg, WEBP: webp, AVIF: avif}


def fits(data: bytes, media_type: str, texts: Mapping[str, str]) -> bool:
    """Whether the file can hold these texts: a JPEG has room for 64 KB in all, an AVIF takes no more than it was
    written with, since its parts are found by where they stand."""
    if media_type == AVIF:
        return dict(texts) == read_texts(data, AVIF)
    return media_type != JPEG or len(exif.with_texts(jpeg.exif_of(data), texts)) <= jpeg.MOST_EXIF


def with_texts(data: bytes, media_type: str, texts: Mapping[str, str]) -> bytes:
    """The file with these texts. Raises :class:`NotAnImage` for a broken file, InternalError where they do not fit."""
    if media_type == PNG:
        return png.with_text(data, texts)
    if not texts:
        return data
    if not fits(data, media_type, texts):
        raise InternalError("The graph does not fit into this file.")
    if media_type == AVIF:
        return data
    kind = _kind(media_type)
    changed: bytes = kind.with_exif(data, exif.with_texts(kind.exif_of(data), texts))
    return changed


def read_texts(data: bytes, media_type: str) -> dict[str, str]:
    """The texts by name. Raises :class:`NotAnImage` for a broken file."""
    if media_type == PNG:
        return png.read_text(data)
    block = _kind(media_type).exif_of(data)
    return exif.read_texts(block) if block else {}


def bare(data: bytes, media_type: str) -> bytes:
    """The file without anything that could hold words: some providers write the prompt into what they send.

    A file without words comes back as it is.
    """
    if media_type == PNG:
        return png.without_words(data)
    changed: bytes = _kind(media_type).without_words(data)
    return changed


def without_credential(data: bytes, media_type: str) -> bytes:
    """The file without the place its credential is kept in."""
    changed: bytes = (png if media_type == PNG else _kind(media_type)).without_credential(data)
    return changed


def _kind(media_type: str) -> ModuleType:
    if media_type not in _WITH_EXIF:
        raise InternalError(f"{media_type} has no place for text.")
    return _WITH_EXIF[media_type]
