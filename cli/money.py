"""Amounts and numbers as people write them on the command line."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from ..errors import UsageError

_MOST = Decimal(10**9)


def decimal_of(name: str, text: str) -> Decimal:
    """``$1,200.50`` as 1200.50. Raises UsageError naming the option."""
    try:
        number = Decimal(text.strip().lstrip("$").replace(",", ""))
    except InvalidOperation:
        number = Decimal("NaN")
    if not (number.is_finite() and 0 <= number <= _MOST):
        raise UsageError(f"--{name}: {text!r} is no number from 0.", hint="Write 0.03.")
    return number


def microusd_of(name: str, text: str) -> int:
    """``$0.003`` as 3000. Raises UsageError naming the option."""
    return round(decimal_of(name, text) * 1_000_000)
