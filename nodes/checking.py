"""Values that come over a link, which no widget's limits hold: each is checked before it decides anything."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real
from typing import Any

from ..errors import InvalidInput


def one_of(name: str, value: Any, options: Iterable[str]) -> str:
    """The value where it is one of the options. Raises InvalidInput naming the input and what there is."""
    offered = list(options)
    if not isinstance(value, str) or value not in offered:
        raise InvalidInput(f"{name}: {_short(value)} is none.", hint=f"One of: {', '.join(offered)}.")
    return value


def number(name: str, value: Any, low: float, high: float, hint: str = "") -> float:
    """The value where it is a number of ``low`` to ``high``, both included. Raises InvalidInput naming the input."""
    if not _is_number(value) or not low <= value <= high:
        raise InvalidInput(f"{name}: {_short(value)} is not {low:g} to {high:g}.", hint=hint)
    return float(value)


def whole(name: str, value: Any, low: int, high: int, hint: str = "") -> int:
    """The value where it is a whole number of ``low`` to ``high``. Raises InvalidInput naming the input."""
    if not _is_number(value) or not low <= value <= high or value != int(value):
        raise InvalidInput(f"{name}: {_short(value)} is not {low} to {high}.", hint=hint)
    return int(value)


def _is_number(value: Any) -> bool:
    """Whether it is one, of Python or of NumPy, whose scalars other people's nodes give out."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _short(value: Any) -> str:
    # Arrays are large, and a number may have more digits than Python is willing to write.
    plain = isinstance(value, (str, float, bool)) or (isinstance(value, int) and abs(value) < 10**30)
    return repr(value)[:60] if plain else f"a {type(value).__name__}"
