"""A cell of an invoice as a time or an amount of money; what may mean two things is refused."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from decimal import Decimal

_NUMBER = re.compile(r"[+-]?([0-9]{1,15}(\.[0-9]{0,20})?|\.[0-9]{1,20})(e[+-]?[0-9]{1,2})?", re.ASCII | re.IGNORECASE)
_GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}([.,' ])[0-9]{3}(\1[0-9]{3})*")
_SECONDS = re.compile(r"[0-9]{9,10}(\.[0-9]{1,9})?", re.ASCII)
_FIRST_YEAR, _LAST_YEAR = 2000, 2999


def time_of(text: str) -> datetime | None:
    """UTC where no zone is said; seconds since 1970 are taken, too."""
    if _SECONDS.fullmatch(text):
        return datetime.fromtimestamp(float(text), timezone.utc)
    # Python 3.10 reads neither a Z nor a fraction of another length than 3 or 6.
    plain = re.sub(r"\s*(Z|UTC)$", "+00:00", text, flags=re.IGNORECASE)
    plain = re.sub(r"\.([0-9]{1,9})", lambda found: "." + found[1].ljust(6, "0")[:6], plain)
    try:
        at = datetime.fromisoformat(plain)
    except ValueError:
        return None
    # Nobody billed an image then; and days are counted on from there, which must not end the calendar.
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)


def amount_of(text: str, *, decimal_comma: bool) -> Decimal | str:
    """The number, or what is wrong with it. Parentheses are a credit, as bookkeepers write it."""
    shown = text[:40]
    plain = text.replace("$", "").replace("\u2212", "-").replace("\u00a0", " ").strip()
    if plain.startswith("(") and plain.endswith(")"):
        plain = f"-{plain[1:-1].strip()}"
    if "," in plain and "." in plain:
        thousands = "," if plain.rindex(".") > plain.rindex(",") else "."
        plain = plain.replace(thousands, "").replace(",", ".")
    elif "," in plain:
        if _GROUPED.fullmatch(plain) and not decimal_comma:
            return f"{shown!r} may be a thousand or a fraction"
        plain = plain.replace(",", ".")
    if not _NUMBER.fullmatch(plain):
        return f"{shown!r} is no amount"
    return Decimal(plain)
