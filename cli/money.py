"""Amounts and numbers as people write them on the command line."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from ..errors import UsageError

MICRO = 1_000_000
_MOST = Decimal(10**9)
_GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]*)?", re.ASCII)
_NUMBER, _DOLLARS = "Write a number, such as 25 or 0.03.", "Write dollars, such as 25 or 0.03."


def number_of(name: str, text: str, hint: str = _NUMBER) -> Decimal:
    """``$1,200.50`` as 1200.50. Commas are for thousands and nothing else: of ``0,03`` nobody knows whether 3 is meant.

    Raises UsageError naming the option.
    """
    plain = text.strip().removeprefix("$").strip()
    if _GROUPED.fullmatch(plain):
        plain = plain.replace(",", "")
    try:
        number = Decimal(plain)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or not -_MOST <= number <= _MOST:
        raise UsageError(f"--{name}: {text!r} is no number, or too large.", hint=hint)
    return number


def decimal_of(name: str, text: str, hint: str = _NUMBER) -> Decimal:
    """A number from 0. Raises UsageError naming the option."""
    number = number_of(name, text, hint)
    if number < 0:
        raise UsageError(f"--{name}: {text!r} is no number from 0.", hint=hint)
    return number


def microusd_of(name: str, text: str) -> int:
    """``$0.003`` as 3000. Money is not rounded here: raises UsageError for less than a micro-dollar, too."""
    number = decimal_of(name, text, _DOLLARS)
    if round(number, 6) != number:
        raise UsageError(f"--{name}: {text!r} is finer than a millionth of a dollar.", hint="Write 0.000001 or more.")
    return int(number * MICRO)
