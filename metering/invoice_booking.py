"""Bringing the ledger to what a vendor's invoice says: all of it in one transaction, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from .invoices import Billed, Matching, Pair
from .ledger import Line
from .ledger_batch import Batch
from .ledger_reading import _LINES, _line
from .ledger_sql import SqlLedger, _correct
from .ledger_usage import Counters
from .periods import stamp

if TYPE_CHECKING:
    from ..storage.sessions import Session

AROUND = timedelta(days=3)
"""A vendor books a call on the day that it ends, or later: so much before and after is looked at, too."""


def calls_of(ledger: SqlLedger, provider: str, days: tuple[date, date] | None) -> list[Line]:
    """The provider's calls of the invoice's days, and around."""
    if days is None:
        return []
    first, last = (days[0] - AROUND).isoformat(), (days[1] + AROUND + timedelta(days=1)).isoformat()
    sql = f"{_LINES} WHERE c.at >= :first AND c.at < :last AND c.provider = :provider ORDER BY c.at"
    rows = ledger._store.read(lambda db: db.run(sql, first=first, last=last, provider=provider))
    return [_line(dict(row)) for row in rows]


def book(ledger: SqlLedger, pairs: Sequence[Pair], invoice: str) -> None:
    """Bring each call's charge to what was billed for it, with the invoice and its lines as the reason."""

    def work(db: Session) -> list[str]:
        batch = Batch(db, stamp(ledger._now()), Counters(ledger._budget))
        # In one order, whoever else books at the same time.
        for pair in sorted(pairs, key=lambda each: each.call.call_id):
            _correct(batch, pair.call.call_id, pair.billed.microusd, reason(pair, invoice), pair.billed.request_id)
        return batch.finish()

    if pairs:
        ledger._warn(ledger._store.transact(work))


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
