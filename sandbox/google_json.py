"""Google's JSON as protobuf's mapping reads it: names in either case, bytes in either alphabet of base64."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from . import picture
from .exchange import Exchange
from .google_errors import Refused, invalid_value, unknown_name

_MOST_SEED = 2**31 - 1
_KINDS: dict[str, picture.Format] = {"image/png": "png", "image/jpeg": "jpeg"}


def document(exchange: Exchange) -> Any:
    """The body."""
    try:
        return exchange.json()
    except ValueError as error:
        raise Refused("Invalid JSON payload received. Unexpected end of string.") from error


def message(value: Any, known: frozenset[str], at: str) -> dict[str, Any]:
    """The object with its names in camelCase."""
    if not isinstance(value, dict):
        raise invalid_value(at or "request", "Starting an object on a scalar field", value)
    found = {_camel(name): item for name, item in value.items()}
    for name in value:
        if _camel(name) not in known:
            raise unknown_name(name, at)
    return {name: item for name, item in found.items() if item is not None}


def unpacked(text: Any) -> bytes:
    """Bytes in JSON, as protobuf's mapping reads them: base64 in either alphabet. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError("no text")  # noqa: TRY004 - one error for what is no base64
    return base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)


def seed_of(fields: Mapping[str, Any], at: str) -> int | None:
    """A seed, which is 32 bits."""
    value = fields.get("seed")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_SEED):
        raise invalid_value(at, "TYPE_INT32", value)
    return value


def kind_of(media_type: Any) -> picture.Format:
    """The format of a result."""
    if media_type not in _KINDS:
        raise Refused(f"Unsupported output mime type: {media_type}")
    return _KINDS[media_type]


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)
