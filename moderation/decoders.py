"""Encodings that a text may hide in, undone with bounds: base64, hexadecimal, percent signs, HTML entities, rot13.

A hostile text must not buy work with its length. At most :data:`MAX_PIECES` pieces of a text are decoded, each of at
most :data:`MAX_PIECE` characters, and what comes out is looked at once more (:data:`MAX_DEPTH` layers in all) under one
common bound of :data:`MAX_DECODED` characters. What is beyond a bound is left as it stands.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Iterator
from urllib.parse import unquote

MAX_PIECES = 8
MAX_PIECE = 4096
MAX_DEPTH = 2
MAX_DECODED = 8192

_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{8,}={0,2}")
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:0x)?((?:[0-9a-fA-F]{2}[ :]?){4,})(?![0-9A-Za-z])")
_UNREADABLE = re.compile(r"[^\w\s.,;:!?'\"()/#&+*=@%-]")
_ROT13 = str.maketrans("abcdefghijklmnopqrstuvwxyz", "nopqrstuvwxyzabcdefghijklm")
_SIGNS = re.compile(r"%[0-9A-Fa-f]{2}|&#|\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}")
_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})|\\x([0-9A-Fa-f]{2})")


def rot13(latin: str) -> str:
    """A lower-case text with each letter thirteen places on."""
    return latin.translate(_ROT13)


def hidden(text: str) -> tuple[str, ...]:
    """The readable texts that stand encoded in this one; within the module's bounds, usually none."""
    found: list[str] = []
    layer = [text]
    room = MAX_DECODED
    for _ in range(MAX_DEPTH):
        inner: list[str] = []
        for decoded in (each for outer in layer for each in _decoded(outer)):
            if len(decoded) <= room and len(found) < MAX_PIECES:
                room -= len(decoded)
                found.append(decoded)
                inner.append(decoded)
        layer = inner
    return tuple(found)


def _decoded(text: str) -> Iterator[str]:
    if _SIGNS.search(text):
        plain = _ESCAPE.sub(lambda code: chr(int(code[1] or code[2], 16)), html.unescape(unquote(text)))
        if plain != text:
            yield plain
    yield from (each for each in map(_from_base64, _candidates(_BASE64, text)) if each)
    yield from (each for each in map(_from_hex, _candidates(_HEX, text)) if each)


def _candidates(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    tried = 0
    for match in pattern.finditer(text):
        piece = match[0]
        # A word in one case without digits is a word.
        if len(piece) > MAX_PIECE or (piece.isalpha() and (piece.islower() or piece[1:].islower())):
            continue
        tried += 1
        if tried > MAX_PIECES * 4:
            return
        yield piece


def _from_base64(piece: str) -> str:
    bare = piece.rstrip("=").replace("-", "+").replace("_", "/")
    if len(bare) % 4 == 1:
        return ""
    try:
        return _readable(base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True))
    except binascii.Error:
        return ""


def _from_hex(piece: str) -> str:
    bare = piece.removeprefix("0x").replace(" ", "").replace(":", "")
    try:
        return _readable(bytes.fromhex(bare))
    except ValueError:
        return ""


def _readable(data: bytes) -> str:
    """The bytes as text, where they are one that a person could read; else nothing."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    strange = len(_UNREADABLE.findall(text))
    return text if len(text) > 1 and strange * 5 <= len(text) else ""
