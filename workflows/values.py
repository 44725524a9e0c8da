"""Whether a value fits a public input: its type, its limits, its choices. Pure, and shared by binding and checking."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from fractions import Fraction
from typing import Any

from .format import SEED_MAX, Input, InputType, Limits
from .problem import Problem, listed, nearest, shown

SEED_DIGITS = re.compile(r"[0-9]{1,20}", re.ASCII)

LIMITS_OF: Mapping[InputType, frozenset[str]] = {
    "string": frozenset({"min_length", "max_length"}),
    "integer": frozenset({"min", "max", "step"}),
    "number": frozenset({"min", "max", "step"}),
    "choice": frozenset({"choices"}),
    "boolean": frozenset(),
    "image": frozenset(),
    "seed": frozenset(),
}
"""The limits that mean something for a type."""


def fit(spec: Input, value: Any, choices: Collection[str] | None = None) -> tuple[Any, Problem | None]:
    """The value as it is bound, and what is wrong with it, if anything.

    ``choices`` is what the worker's node offers, for an input with ``choices_from``; without it any text will do there.
    A seed given as digits becomes an integer; nothing else is converted.
    """
    if spec.type == "seed" and isinstance(value, str) and SEED_DIGITS.fullmatch(value):
        value = int(value)
    offered = spec.limits.choices or choices
    wrong = _TYPES[spec.type](value)
    if wrong is None:
        wrong = _out_of_choices(value, offered) if spec.type == "choice" else _out_of_limits(spec.limits, value)
    if wrong is None:
        return value, None
    return value, Problem(spec.name, wrong, f"give {expected(spec, offered)}")


def expected(spec: Input, choices: Collection[str] | None = None) -> str:
    """What the input takes, in words: ``an integer from 64 to 4096``."""
    if spec.type == "choice":
        offered = spec.limits.choices or choices
        return f"one of {listed(offered)}" if offered else "a choice that the worker's node offers"
    if spec.type == "string":
        return "a text" + _lengths(spec.limits)
    words = {
        "integer": "an integer",
        "number": "a number",
        "boolean": "true or false",
        "image": "the name of an uploaded image",
        "seed": f"an integer from 0 to {SEED_MAX}",
    }
    return words[spec.type] + _range(spec.limits)


def _range(limits: Limits) -> str:
    low, high, step = limits.min, limits.max, limits.step
    if low is not None and high is not None:
        words = f" from {low} to {high}"
    elif low is not None:
        words = f" of at least {low}"
    else:
        words = f" of at most {high}" if high is not None else ""
    return words + (f" in steps of {step}" if step is not None else "")


def _lengths(limits: Limits) -> str:
    low, high = limits.min_length or 0, limits.max_length
    if low and high:
        return f" of {low} to {high} characters"
    if high:
        return f" of at most {high} characters"
    return f" of at least {low} character{'s' if low > 1 else ''}" if low else ""


def _text(value: Any) -> str | None:
    if not isinstance(value, str):
        return f"{shown(value)} is no text"
    if "\0" in value:
        return "the text holds a NUL character"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "the text holds bytes that are no valid Unicode"
    return None


def _integer(value: Any) -> str | None:
    return None if isinstance(value, int) and not isinstance(value, bool) else f"{shown(value)} is no integer"


def _float(value: Any) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is not finite"
    return None if isinstance(value, (int, float)) and not isinstance(value, bool) else f"{shown(value)} is no number"


def _boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else f"{shown(value)} is neither true nor false"


def _image(value: Any) -> str | None:
    return _text(value) or (None if value else "the name is empty")


def _seed(value: Any) -> str | None:
    return _integer(value) or (None if 0 <= value <= SEED_MAX else f"{shown(value)} is no unsigned 64-bit number")


_TYPES: Mapping[InputType, Callable[[Any], str | None]] = {
    "string": _text,
    "integer": _integer,
    "number": _float,
    "boolean": _boolean,
    "choice": _text,
    "image": _image,
    "seed": _seed,
}


def _out_of_choices(value: str, offered: Collection[str] | None) -> str | None:
    if offered is None:
        return None if value else "the choice is empty"
    return None if value in offered else f"{shown(value)} is none of its choices{nearest(value, offered)}"


def _out_of_limits(limits: Limits, value: Any) -> str | None:
    if isinstance(value, str):
        return _out_of_lengths(limits, value)
    if limits.min is not None and value < limits.min:
        return f"{shown(value)} is below the minimum of {limits.min}"
    if limits.max is not None and value > limits.max:
        return f"{shown(value)} is above the maximum of {limits.max}"
    if limits.step is not None and _off_step(value, limits.min or 0, limits.step):
        return f"{shown(value)} is between two steps of {limits.step}"
    return None


def _out_of_lengths(limits: Limits, value: str) -> str | None:
    # The text itself is not quoted: it may be long, and it may be private.
    if limits.max_length is not None and len(value) > limits.max_length:
        return f"the text has {len(value)} characters, more than {limits.max_length}"
    if limits.min_length is not None and len(value.strip()) < limits.min_length:
        return f"the text has fewer than {limits.min_length} characters" if value.strip() else "the text is empty"
    return None


def _off_step(value: float, start: float, step: float) -> bool:
    # By their decimal digits, so that 0.3 is a whole number of steps of 0.1.
    distance = Fraction(repr(value)) - Fraction(repr(start))
    return distance % Fraction(repr(step)) != 0
