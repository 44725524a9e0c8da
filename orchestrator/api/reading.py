"""Text from outside becomes JSON within bounds: size, depth, each key once, finite numbers. Pure."""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import Any, NoReturn

from ...errors import InvalidInput, MalformedRequest

JSON_BYTES = 2**20
"""The largest JSON body, in bytes."""
DEPTH = 64
"""How many lists and objects may stand inside of each other."""

_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)
_ODD = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
"""How JSON in UTF-8 can hold a NUL, and half a character."""
_HALF = re.compile("[\ud800-\udfff]")
_OPENING = (b"[", b"{")
_CLOSING = (b"]", b"}")


def read_json(raw: bytes) -> Any:
    """The document. Raises MalformedRequest, and InvalidInput for a text with a NUL or half a character in it."""
    check_depth(raw)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise MalformedRequest(f"The body is no UTF-8: byte {exc.start} cannot be read.") from exc
    try:
        found = json.loads(text, object_pairs_hook=_once, parse_constant=_constant, parse_float=_finite)
    except ValueError as exc:
        raise MalformedRequest(f"The body is no JSON: {_reason(exc)}.") from exc
    if _ODD.search(text):
        _check_texts(found, "")
    return found


def check_depth(raw: bytes, most: int = DEPTH) -> None:
    """Raises MalformedRequest where more than ``most`` lists and objects stand inside of each other."""
    if raw.count(b"[") + raw.count(b"{") <= most:
        return
    depth = 0
    for match in _TOKENS.finditer(raw):
        token = match[0]
        depth += (token in _OPENING) - (token in _CLOSING)
        if depth > most:
            raise MalformedRequest(f"The body is nested deeper than {most} levels.")


def canonical(document: Any) -> bytes:
    """The same bytes for the same document, whatever the order of its keys."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def fingerprint(*parts: Any) -> str:
    """SHA-256 of documents, in lower-case hex."""
    return hashlib.sha256(canonical(list(parts))).hexdigest()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]  # add gives None, which is false
        raise MalformedRequest(f"The key {twice[:40]!r} is given twice.", hint="Give each key once.", field=twice[:200])
    return found


def _constant(word: str) -> NoReturn:
    raise MalformedRequest(f"{word} is no JSON number.")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise MalformedRequest("A number is too large to be one.")
    return number


def _reason(exc: ValueError) -> str:
    if isinstance(exc, json.JSONDecodeError):
        return f"{exc.msg} at line {exc.lineno}, column {exc.colno}"
    return "a number has too many digits"


def _check_texts(value: Any, where: str) -> None:
    if isinstance(value, str):
        if "\0" in value:
            raise InvalidInput("A text holds a NUL character.", hint="Leave it out.", field=where or None)
        if _HALF.search(value):
            problem = "A text holds half a character: a lone surrogate."
            raise InvalidInput(problem, hint="Send both halves, or neither.", field=where or None)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            _check_texts(each, f"{where}[{number}]")
    elif isinstance(value, dict):
        for name, each in value.items():
            _check_texts(name, where)
            _check_texts(each, f"{where}.{name}".lstrip("."))
