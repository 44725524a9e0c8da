"""Images that stand in an answer itself: as base64, or as a data URI where a URL could be."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import ProviderError
from .base import ResultImage
from .imagefile import is_whole, media_type

_DATA = "data:"


def decoded(text: Any) -> bytes:
    """What the base64 stands for; nothing where it is none."""
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return b""


def image_in(text: Any, *, seed: int | None = None, blocked: bool = False) -> ResultImage:
    """The image that an answer holds as base64, whole or not."""
    data = decoded(text)
    return ResultImage(data=data, media_type=media_type(data) or "", seed=seed, blocked=blocked)


def image_at(url: str, *, kind: str = "", seed: int | None = None, blocked: bool = False) -> ResultImage:
    """The image that an answer names by its URL. A data URI holds it: that is no address, and is never told as one."""
    if url[: len(_DATA)].lower() == _DATA:
        return image_in(url.partition(",")[2], seed=seed, blocked=blocked)
    return ResultImage(url=url, media_type=kind, seed=seed, blocked=blocked)


def check_some(images: Sequence[ResultImage], bad: Callable[[bytes | None], ProviderError]) -> None:
    """Raises ``bad``, with what came instead, where no image that the answer holds is whole.

    Of several, one that is broken is handed on as it came: it is found out where images are looked into, and the
    others are paid for, too.
    """
    held = [image.data for image in images if image.data is not None]
    if held and len(held) == len(images) and not any(map(is_whole, held)):
        raise bad(max(held, key=len) or None)
