"""What the shapes of bodies and answers have in common, and the words they are made of."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    WithJsonSchema,
)

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_AWARE = TypeAdapter(AwareDatetime)
_DAY_LONG = timedelta(days=1)
_FIRST = datetime.min.replace(tzinfo=timezone.utc) + _DAY_LONG
_LAST = datetime.max.replace(tzinfo=timezone.utc) - _DAY_LONG
"""What is earlier or later than these cannot be told in every zone, nor counted from; nobody means such a time."""
_KEEP = 512


class Body(BaseModel):
    """What comes in: nothing that is not named, and nothing converted that is of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class View(BaseModel):
    """What goes out."""

    model_config = ConfigDict(frozen=True)


class Query(BaseModel):
    """A query's keys; their values come as text."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _time(value: Any) -> Any:
    # Pydantic would take a number of seconds for a time, too.
    if isinstance(value, datetime):
        return value
    if not (isinstance(value, str) and _TIME.fullmatch(value)):
        raise ValueError("a time is written as 2026-11-21T12:00:00Z, with its zone")
    return min(max(_AWARE.validate_python(value), _FIRST), _LAST)


def _day(value: Any) -> Any:
    if isinstance(value, date):
        return value
    if not (isinstance(value, str) and _DAY.fullmatch(value)):
        raise ValueError("a day is written as 2026-11-21")
    return date.fromisoformat(value)


def _is_address(text: str) -> str:
    if not text.startswith(("https://", "http://")) or not text.isascii() or any(char <= " " for char in text):
        raise ValueError("an address begins with https:// or http:// and has no spaces")
    return text


def _is_metadata(found: dict[str, Any]) -> dict[str, Any]:
    if any(not name or len(name) > 64 for name in found):
        raise ValueError("a metadata key has 1 to 64 characters")
    if any(isinstance(value, str) and len(value) > _KEEP for value in found.values()):
        raise ValueError(f"a metadata value has at most {_KEEP} characters")
    return found


Time = Annotated[
    AwareDatetime,
    BeforeValidator(_time),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="validation"),
]
"""A moment, with its zone."""
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
"""A day of UTC."""
Address = Annotated[str, Field(max_length=2000, pattern="^https?://[!-~]+$"), AfterValidator(_is_address)]
"""An http(s) URL."""
JobId = Annotated[str, Field(pattern="^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
"""SHA-256 in lower-case hex."""
Plain = str | Annotated[int, Field(ge=-(2**53), le=2**53)] | float | bool | None
Metadata = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=64)], Annotated[str, Field(max_length=_KEEP)] | Plain],
    Field(max_length=16),
    AfterValidator(_is_metadata),
]
"""The caller's own facts: up to 16, each a short text, a number, true, false or null."""
