"""A credential's bytes in one piece, from the formats that cut them up or write them as text. Pure.

Only for a closer look at what c2pa has found broken: so nothing is checked here, and what cannot be taken apart is
handed on as it is.
"""

from __future__ import annotations

import base64
import binascii
import re

from ..errors import NotAnImage
from . import jpeg

_GIF = b"\x21\xff\x0bC2PA_GIF"
_SVG = re.compile(rb"<c2pa:manifest[^>]*>([A-Za-z0-9+/=\s]+)<")
_GIF_HEAD = len(_GIF) + 3  # an authentication code follows the name


def joined(content: bytes) -> bytes:
    """The bytes in which the credential stands whole."""
    if content.startswith(b"\xff\xd8"):
        return _of_jpeg(content)
    if content.startswith(b"GIF8"):
        return _of_gif(content)
    found = _SVG.search(content)
    return _decoded(found[1]) if found else content


def _of_jpeg(content: bytes) -> bytes:
    try:
        return jpeg.boxes(content) or content
    except NotAnImage:
        return content


def _of_gif(content: bytes) -> bytes:
    place = content.find(_GIF)
    if place < 0:
        return content
    place += _GIF_HEAD
    pieces: list[bytes] = []
    while place < len(content) and content[place]:
        pieces.append(content[place + 1 : place + 1 + content[place]])
        place += 1 + content[place]
    return b"".join(pieces)


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error:
        return text
