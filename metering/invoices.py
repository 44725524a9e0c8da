"""What a vendor says it billed, held against what the ledger knows. Pure; :mod:`.invoice_reading` reads the file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Decimal

from .ledger import Line


@dataclass(frozen=True)
class Item:
    """One line of an invoice. ``microusd`` is exact, and negative for a credit; ``line`` is where it begins."""

    line: int
    request_id: str
    at: datetime
    model: str
    microusd: Decimal


@dataclass(frozen=True)
class Problem:
    """What is wrong with a line, so that it cannot be taken as it stands."""

    line: int
    message: str


@dataclass(frozen=True)
class Invoice:
    """A file as read. ``problems`` are lines that are left out; ``notes`` are on lines that are not."""

    items: tuple[Item, ...]
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...] = ()

    @property
    def total_microusd(self) -> int:
        """What it comes to, credits taken off."""
        return round(sum((item.microusd for item in self.items), Decimal(0)))

    @property
    def days(self) -> tuple[date, date] | None:
        """The first and the last day that it speaks of, in UTC."""
        days = [item.at.astimezone(timezone.utc).date() for item in self.items]
        return (min(days), max(days)) if days else None


@dataclass(frozen=True)
class Billed:
    """What was billed for one request: its charge less its credits, in whole micro-dollars."""

    request_id: str
    lines: tuple[int, ...]
    at: datetime
    model: str
    microusd: int


@dataclass(frozen=True)
class Pair:
    """A call, and what was billed for it."""

    call: Line
    billed: Billed

    @property
    def difference_microusd(self) -> int:
        """What was billed above what the ledger has; negative where it was less."""
        known = self.call.microusd if self.call.kind == "settled" else 0
        return self.billed.microusd - known


@dataclass(frozen=True)
class Matching:
    """Every request of an invoice, and every call of its days, once."""

    matched: tuple[Pair, ...]
    """Settled, and by as much."""
    decided: tuple[Pair, ...]
    """The call was unknown, and now is not."""
    differing: tuple[Pair, ...]
    """Settled by another amount, or released and billed all the same."""
    missing: tuple[Billed, ...]
    """Billed, and unknown to the ledger."""
    not_billed: tuple[Line, ...]
    """In the ledger, settled or unknown, and not on the invoice."""
    credits: tuple[Billed, ...]
    """Credits that are more than the invoice charges for their request: nothing is booked for them."""

    @property
    def corrections(self) -> tuple[Pair, ...]:
        """What has to change in the ledger."""
        return (*self.decided, *self.differing)


def match(invoice: Invoice, calls: Sequence[Line]) -> Matching:
    """Hold the invoice against calls of its provider, by request id.

    ``calls``: those of the invoice's days and around; calls before its first and after its last day are never told as
    not billed. A cached result names the request that was paid for, and is passed over.
    """
    known = _by_request(calls)
    billed = _by_item(invoice.items)
    charges = [each for each in billed if each.microusd >= 0]
    pairs = [Pair(known[each.request_id], each) for each in charges if each.request_id in known]
    on_it = {each.request_id for each in billed}
    return Matching(
        matched=tuple(p for p in pairs if p.call.kind != "unknown" and not p.difference_microusd),
        decided=tuple(p for p in pairs if p.call.kind == "unknown"),
        differing=tuple(p for p in pairs if p.call.kind != "unknown" and p.difference_microusd),
        missing=tuple(each for each in charges if each.request_id not in known),
        not_billed=tuple(_absent(calls, on_it, invoice.days)),
        credits=tuple(each for each in billed if each.microusd < 0),
    )


def _by_request(calls: Iterable[Line]) -> Mapping[str, Line]:
    found: dict[str, Line] = {}
    for call in calls:
        if call.request_id is None or call.cached:
            continue
        before = found.get(call.request_id)
        # An older ledger does not say what was cached; such a call cost nothing.
        if before is None or (before.microusd == 0 and call.microusd > 0):
            found[call.request_id] = call
    return found


def _by_item(items: Sequence[Item]) -> list[Billed]:
    by_request: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_request[item.request_id].append(item)
    return [
        Billed(
            name, tuple(each.line for each in its), its[0].at, its[0].model, round(sum(each.microusd for each in its))
        )
        for name, its in by_request.items()
    ]


def _absent(calls: Iterable[Line], on_it: set[str], days: tuple[date, date] | None) -> Iterable[Line]:
    if days is None:
        return
    for call in calls:
        if call.kind == "released" or call.cached or (call.kind == "settled" and call.microusd == 0):
            continue
        day = call.at.astimezone(timezone.utc).date()
        if days[0] <= day <= days[1] and call.request_id not in on_it:
            yield call
