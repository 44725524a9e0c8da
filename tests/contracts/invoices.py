"""Bringing a ledger to an invoice, in whatever database it is. Used like :mod:`.ledger`: fixture ``ledgers``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mintmark.errors import UnknownCall
from mintmark.metering.invoice_booking import absent, book, calls_of
from mintmark.metering.invoice_reading import read
from mintmark.metering.invoices import Matching, match
from mintmark.metering.ledger import Account

from .ledger import NOW, Ledgers, posting, sums

HEADER = "request_id,at,model,amount,currency"


def billed(ledger: Any, *lines: tuple[str, str]) -> Matching:
    """What an invoice of these requests and amounts comes to."""
    rows = [f"{request_id},{NOW.isoformat()},flux,{amount},USD" for request_id, amount in lines]
    invoice = read("\n".join([HEADER, *rows]).encode(), "fal")
    return match(invoice, calls_of(ledger, "fal", invoice.days))


def paid(ledger: Any, request_id: str, microusd: int = 3_000, **more: Any) -> None:
    job = f"job of {request_id}"
    ledger.allow(job, 100_000, Account())
    ledger.post([posting(job, microusd=microusd, call_id=request_id, request_id=request_id, **more)])
    ledger.close_job(job)


def test_calls_are_brought_to_what_was_billed_in_one_go(ledgers: Ledgers) -> None:
    ledger: Any = ledgers.open()
    for name in ("same", "less", "more"):
        paid(ledger, name)
    paid(ledger, "doubt", 9_000, kind="unknown")
    paid(ledger, "free", kind="released")
    found = billed(
        ledger, ("same", "0.003"), ("less", "0.001"), ("more", "0.005"), ("doubt", "0.002"), ("free", "0.004")
    )
    book(ledger, found.corrections, "november.csv")
    assert sums(ledger) == (15_000, 0, 0)
    assert ledger.problems() == []
    (report,) = ledger.report("provider")
    assert (report.microusd, report.unknown) == (15_000, 0)
    again = billed(ledger, ("same", "0.003"), ("less", "0.001"), ("more", "0.005"), ("doubt", "0.002"))
    assert again.corrections == ()


def test_where_one_call_cannot_be_corrected_none_is(ledgers: Ledgers) -> None:
    ledger: Any = ledgers.open()
    paid(ledger, "a")
    paid(ledger, "z")
    pairs = list(billed(ledger, ("a", "0.001"), ("z", "0.001")).corrections)
    stranger = pairs[1].call.model_copy(update={"call_id": "zz"})
    with pytest.raises(UnknownCall):
        book(ledger, [pairs[0], type(pairs[1])(stranger, pairs[1].billed)], "november.csv")
    assert sums(ledger) == (6_000, 0, 0)


def test_doubts_that_a_complete_invoice_lacks_are_released(ledgers: Ledgers) -> None:
    ledger: Any = ledgers.open()
    paid(ledger, "doubt", 9_000, kind="unknown")
    paid(ledger, "later", 9_000, kind="unknown", at=NOW + timedelta(days=2))
    book(ledger, absent(billed(ledger, ("other", "0.001"))), "november.csv")
    assert sums(ledger) == (0, 9_000, 0)
    assert ledger.problems() == []


def test_only_the_providers_own_calls_of_those_days_are_looked_at(ledgers: Ledgers) -> None:
    ledger: Any = ledgers.open()
    paid(ledger, "ours")
    paid(ledger, "theirs", provider="bfl")
    paid(ledger, "long ago", at=NOW - timedelta(days=10))
    day = NOW.date()
    assert [call.call_id for call in calls_of(ledger, "fal", (day, day))] == ["ours"]
    assert calls_of(ledger, "fal", None) == []
