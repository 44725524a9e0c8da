"""Bringing the ledger to what a vendor's invoice says: all of it in one transaction, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from .invoices import Billed, Matching, Pair
from .ledger import Correction, Ledger, Line

AROUND = timedelta(days=3)
"""A vendor books a call on the day that it ends, or later: so much before and after is looked at, too."""


def calls_of(ledger: Ledger, provider: str, days: tuple[date, date] | None) -> list[Line]:
    """The provider's calls of the invoice's days, and around; the oldest first."""
    if days is None:
        return []
    found = ledger.lines(provider=provider, since=days[0] - AROUND, until=days[1] + AROUND, limit=None)
    return found[::-1]


def book(ledger: Ledger, pairs: Sequence[Pair], invoice: str) -> None:
    """Bring each call's charge to what was billed for it, with the invoice and its lines as the reason."""
    ledger.correct_all(
        Correction(pair.call.call_id, pair.billed.microusd, reason(pair, invoice), pair.billed.request_id)
        for pair in pairs
    )


def reason(pair: Pair, invoice: str) -> str:
    """Why a charge was changed."""
    if not pair.billed.lines:
        return f"invoice {invoice} does not have it"
    return f"invoice {invoice}, line {', '.join(str(line) for line in pair.billed.lines)}"


def absent(matching: Matching) -> list[Pair]:
    """The calls in doubt that the invoice, if it is complete, says were not charged."""
    return [
        Pair(call, Billed(call.request_id or "", (), call.at, call.model, 0))
        for call in matching.not_billed
        if call.kind == "unknown"
    ]
