"""Canonical JSON and the digest that names a workflow version for good.

The canonical form is RFC 8785 (JSON Canonicalization Scheme) with one deviation: an integer of any size is written in
full, because ComfyUI's seeds are unsigned 64-bit numbers and RFC 8785, which knows only doubles, would round them. This
is also why the ``rfc8785`` package is not used: it refuses integers beyond 2**53. For every document whose integers are
exact as doubles, both forms are equal byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from ..errors import InvalidWorkflow

_PLAIN = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False)


def canonical(value: Any) -> bytes:
    """The canonical UTF-8 form of a JSON value.

    Raises InvalidWorkflow for what JSON cannot say: NaN, infinities, lone surrogates, keys that are no strings and
    values of other types.
    """
    parts: list[str] = []
    try:
        if (found := _at_once(value)) is not None:
            return found
        _write(value, parts)
    except (RecursionError, ValueError) as exc:  # ValueError: an integer of more than 4300 digits
        raise InvalidWorkflow(
            "The value cannot be written as JSON.", hint="It is nested too deeply, or a number in it is too long."
        ) from exc
    return "".join(parts).encode()


def digest(value: Any) -> str:
    """SHA-256 over :func:`canonical`, in lower-case hex (64 characters)."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _at_once(value: Any) -> bytes | None:
    """The same by Python's own writer, many times as fast; None for what it would write differently, or refuse in its
    own words."""
    if not _is_plain(value):
        return None
    try:
        return _PLAIN.encode(value).encode()
    except UnicodeEncodeError:
        return None


def _is_plain(value: Any) -> bool:
    """Whether there is no fraction in it, and no key beyond ASCII."""
    kind = type(value)
    if kind is dict:
        return all(type(key) is str and key.isascii() for key in value) and all(map(_is_plain, value.values()))
    if kind is list or kind is tuple:
        return all(map(_is_plain, value))
    return value is None or kind in (str, int, bool)


def _write(value: Any, parts: list[str]) -> None:
    if value is None or value is True or value is False:
        parts.append({None: "null", True: "true", False: "false"}[value])
    elif isinstance(value, str):
        parts.append(_string(value))
    elif isinstance(value, int):
        parts.append(int.__repr__(value))
    elif isinstance(value, float):
        parts.append(_number(value))
    elif isinstance(value, Mapping):
        _write_object(value, parts)
    elif isinstance(value, (list, tuple)):
        _write_array(value, parts)
    else:
        raise InvalidWorkflow(
            f"A {type(value).__name__} is no JSON value.", hint="Use strings, numbers, lists, objects."
        )


def _write_object(value: Mapping[Any, Any], parts: list[str]) -> None:
    for key in value:
        if not isinstance(key, str):
            raise InvalidWorkflow(f"The key {key!r} is no string.", hint="JSON objects have string keys.")
        _string(key)  # refuses lone surrogates before the sort meets them
    parts.append("{")
    # RFC 8785 3.2.3 sorts by UTF-16 code units, which is not Python's order beyond the basic plane.
    for at, key in enumerate(sorted(value, key=lambda text: text.encode("utf-16-be"))):
        parts.append("," if at else "")
        parts.append(_string(key) + ":")
        _write(value[key], parts)
    parts.append("}")


def _write_array(value: list[Any] | tuple[Any, ...], parts: list[str]) -> None:
    parts.append("[")
    for at, each in enumerate(value):
        parts.append("," if at else "")
        _write(each, parts)
    parts.append("]")


def _string(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise InvalidWorkflow(
            "A text holds half of a surrogate pair, which UTF-8 cannot say.", hint="Save the file as UTF-8."
        ) from exc
    # Python escapes exactly what RFC 8785 3.2.2.2 does when it need not stay within ASCII.
    return json.dumps(text, ensure_ascii=False)


def _number(value: float) -> str:
    """A double as ECMAScript's Number::toString writes it (RFC 8785 3.2.2.3)."""
    if not math.isfinite(value):
        raise InvalidWorkflow(f"{value} is no JSON number.", hint="Replace it with a finite number.")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    digits, point = _shortest(abs(value))
    return sign + _placed(digits, point)


def _shortest(value: float) -> tuple[str, int]:
    """The fewest digits that read back as this double, and where the point stands: value = 0.digits * 10**point."""
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    leading = len(whole + fraction) - len(digits)
    return digits.rstrip("0"), len(whole) - leading + int(exponent or 0)


def _placed(digits: str, point: int) -> str:
    count = len(digits)
    if count <= point <= 21:
        return digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    tail = f".{digits[1:]}" if count > 1 else ""
    return f"{digits[0]}{tail}e{'+' if point > 0 else '-'}{abs(point - 1)}"
