"""Amounts as people write them on the command line."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from ..errors import UsageError

_MOST = Decimal(10**9)


def microusd_of(name: str, text: str) -> int:
    """``$0.003`` as 3000. Raises UsageError naming the option."""
    try:
        dollars = Decimal(text.strip().lstrip("$").replace(",", ""))
    except InvalidOperation:
        dollars = Decimal("NaN")
    if not (dollars.is_finite() and 0 <= dollars <= _MOST):
        raise UsageError(f"--{name}: {text!r} is no amount of dollars.", hint="Write 0.03.")
    return round(dollars * 1_000_000)
