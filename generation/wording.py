"""The words of a request: what moderation reads of it before anybody is asked."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

from ..errors import ImageTooLarge, NotAnImage
from ..providers.imagefile import size_of
from ..providers.model import Model
from ..providers.request import GenerationRequest, SourceImage

_FREE = frozenset({"string", "json"})
"""Types of parameters that hold whatever somebody writes into them."""
_FILE = re.compile(r"data:image/[a-z0-9.+-]+(?:;[a-z0-9=.+-]+)*;base64,", re.IGNORECASE)


def words_of(model: Model, request: GenerationRequest) -> str:
    """The prompt, and what the model's own free parameters say, whatever they are called: a part of the picture may be
    described in those alone. A parameter that the model does not have is not sent, and not read."""
    free = [value for name, value in request.options.items() if _is_free(model, name)]
    return "\n".join(text for text in (request.prompt, *_texts(free)) if text.strip())


def _is_free(model: Model, name: str) -> bool:
    own = model.parameters.get(name)
    return own is not None and own.type in _FREE


def _texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value, but for pictures inside it."""
    if isinstance(value, str) and not _is_picture(value):
        yield value
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inside:
        yield from _texts(one)


def _is_picture(text: str) -> bool:
    """Whether it is a picture as a data URI, and not words that only begin like one."""
    if (head := _FILE.match(text)) is None:
        return False
    try:
        size_of(SourceImage(data=base64.b64decode(text[head.end() :], validate=True), media_type="image/png"))
    except (binascii.Error, ValueError, NotAnImage):
        return False
    except ImageTooLarge:
        return True
    return True
