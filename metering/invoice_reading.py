"""Reading a vendor's invoice (CSV) without trusting it: whatever cannot be taken as it stands is told by its line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import InvalidInput
from .invoice_text import decoded, rows_of
from .invoice_values import amount_of, time_of
from .invoices import Invoice, Item, Problem

_FORMATS = Path(__file__).with_name("invoices.json")
_DELIMITERS = (",", ";", "\t", "|")
_MOST = Decimal(10**15)
"""In micro-dollars; what is more is no price of an image."""
_LONGEST_ID = 500


@dataclass(frozen=True)
class Columns:
    """Where in a row stands what. ``microusd``: of one unit of the amount."""

    request_id: int
    at: int
    model: int | None
    amount: int
    microusd: Decimal
    currency: int | None
    count: int


@lru_cache(maxsize=1)
def formats() -> dict[str, dict[str, Any]]:
    """What each provider's file looks like, by provider."""
    found: dict[str, dict[str, Any]] = json.loads(_FORMATS.read_text(encoding="utf-8"))
    return {name: spec for name, spec in found.items() if name != "about"}


def read(data: bytes, provider: str, *, encoding: str | None = None) -> Invoice:
    """The lines of an invoice, and the problems of those that are none.

    Raises InvalidInput where nothing of the file can be read: no such encoding, no header, a column is missing.
    """
    text, problems = decoded(data, encoding)
    delimiter = _delimiter(text, provider)
    undecoded = {each.line for each in problems}
    columns = None
    items: list[Item] = []
    for number, last, row in rows_of(text, delimiter):
        if isinstance(row, str):
            problems.append(Problem(number, row))
        elif not any(cell.strip() for cell in row):
            continue
        elif columns is None:
            columns = _columns(row, provider)
        elif undecoded.isdisjoint(range(number, last + 1)):
            found = _item(number, row, columns, provider, decimal_comma=delimiter != ",")
            items.append(found) if isinstance(found, Item) else problems.append(found)
    if columns is None:
        raise InvalidInput("The invoice is empty: it has no line with the columns' names.")
    once, repeated = _once(items)
    return Invoice(
        tuple(once), tuple(sorted((*problems, *repeated), key=lambda each: each.line)), tuple(_credits(once))
    )


# -- columns ----------------------------------------------------------------------------------------------------------


def _delimiter(text: str, provider: str) -> str:
    """What the header is divided by: that which gives most columns with a known name."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    known = {name for spec in _specs(provider) for name in _every_name(spec)}

    def found(delimiter: str) -> int:
        return len(known & {_name(cell) for cell in header.split(delimiter)})

    return max(_DELIMITERS, key=found)


def _specs(provider: str) -> list[dict[str, Any]]:
    """The provider's own form first, then the generic one."""
    own = formats().get(provider)
    return [formats()["generic"]] if own is None or provider == "generic" else [own, formats()["generic"]]


def _every_name(spec: Mapping[str, Any]) -> Iterator[str]:
    for part in ("request_id", "at", "model", "currency"):
        yield from spec[part]
    yield from (each["column"] for each in spec["amount"])


def _name(cell: str) -> str:
    return re.sub(r"[\s\-]+", "_", cell.strip().strip('"').lower())


def _columns(header: Sequence[str], provider: str) -> Columns:
    """Raises InvalidInput naming what is missing."""
    names = [_name(cell) for cell in header]
    specs = _specs(provider)
    amounts = [each for spec in specs for each in spec["amount"]]
    amount = next((each for each in amounts if each["column"] in names), None)
    places = {
        part: _place(names, [name for spec in specs for name in spec[part]])
        for part in ("request_id", "at", "model", "currency")
    }
    place = _place(names, [amount["column"]]) if amount else None
    assumed = any(spec["currency_default"] for spec in specs)
    request_id, at = places["request_id"], places["at"]
    if (
        request_id is None
        or at is None
        or amount is None
        or place is None
        or (places["currency"] is None and not assumed)
    ):
        there = {**places, "amount": place, "currency": 0 if assumed else places["currency"], "model": 0}
        raise _lacking([part for part, place in there.items() if place is None], header, specs)
    return Columns(
        request_id=request_id,
        at=at,
        model=places["model"],
        amount=place,
        microusd=Decimal(amount["microusd"]),
        currency=places["currency"],
        count=len(header),
    )


def _place(names: Sequence[str], wanted: Sequence[str]) -> int | None:
    """Raises InvalidInput for a column that is there twice: nobody can tell which one counts."""
    name = next((name for name in wanted if name in names), None)
    if name is not None and names.count(name) > 1:
        raise InvalidInput(f"The invoice has two columns called {name}.", hint="Take one out.")
    return None if name is None else names.index(name)


def _lacking(parts: list[str], header: Sequence[str], specs: Sequence[Mapping[str, Any]]) -> InvalidInput:
    def names(part: str) -> str:
        every = [each["column"] if part == "amount" else each for spec in specs for each in spec[part]]
        return " or ".join(dict.fromkeys(every))

    text = ", ".join(f"{part} ({names(part)})" for part in parts)
    shown = ", ".join(cell.strip() for cell in header)[:200]
    return InvalidInput(
        f"The invoice has no column for {text}; it has: {shown}.",
        hint="The generic form is request_id,at,model,amount,currency: docs/costs.md.",
    )


# -- rows -------------------------------------------------------------------------------------------------------------


def _item(number: int, row: Sequence[str], its: Columns, provider: str, *, decimal_comma: bool) -> Item | Problem:
    if len(row) != its.count:
        return Problem(number, f"it has {len(row)} columns, and the first line has {its.count}")
    request_id = row[its.request_id].strip()
    if not request_id or len(request_id) > _LONGEST_ID:
        return Problem(number, "it names no request" if not request_id else "its request id is too long")
    currency = row[its.currency].strip().upper() if its.currency is not None else "USD"
    if currency not in ("USD", "$", "US$"):
        return Problem(number, f"it is in {currency or 'no currency'}, not in USD; nothing is converted here")
    at = time_of(row[its.at].strip())
    if at is None:
        return Problem(number, f"{row[its.at].strip()[:40]!r} is no time (ISO 8601)")
    amount = amount_of(row[its.amount].strip(), decimal_comma=decimal_comma)
    if isinstance(amount, str):
        return Problem(number, amount)
    if abs(microusd := amount * its.microusd) > _MOST:
        return Problem(number, f"{row[its.amount].strip()[:40]!r} is too much")
    model = row[its.model].strip() if its.model is not None else ""
    return Item(number, request_id, at, model, microusd)


def _once(items: Sequence[Item]) -> tuple[list[Item], list[Problem]]:
    """A request is charged once; a second charge of it is told. Credits may come as often as they like, but not twice
    the same."""
    first: dict[str, Item] = {}
    seen: dict[tuple[Any, ...], int] = {}
    kept: list[Item] = []
    problems: list[Problem] = []
    for item in items:
        same = (item.request_id, item.at, item.model, item.microusd)
        charged = first.get(item.request_id) if item.microusd >= 0 else None
        if same in seen:
            problems.append(Problem(item.line, f"it repeats line {seen[same]}"))
        elif charged is not None:
            problems.append(Problem(item.line, f"request {item.request_id} was charged on line {charged.line} already"))
        else:
            seen[same] = item.line
            kept.append(item)
            if item.microusd >= 0:
                first[item.request_id] = item
    return kept, problems


def _credits(items: Sequence[Item]) -> Iterator[Problem]:
    for item in items:
        if item.microusd < 0:
            yield Problem(item.line, f"a credit of ${-item.microusd / 1_000_000:f} for request {item.request_id}")
