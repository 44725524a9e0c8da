"""Where the catalog and a vendor's own list tell different things. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from ...metering.prices import PerImage, PerMegapixel, Price, usd
from ..model import Model
from .base import Listed, Listing

Kind = Literal["missing", "back", "retires", "legacy", "price", "new"]
_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")
"""A dated copy of a model that is listed beside it: no news."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """One difference.

    ``missing``: callable by the catalog, and the vendor does not have it. ``back``: retired by the catalog, and the
    vendor still has it. ``retires``: another date of its end. ``legacy``: so the vendor, and the catalog says live.
    ``price``: another price. ``new``: an image model that the catalog does not have; ``model`` is the vendor's id.
    """

    provider: str
    model: str
    kind: Kind
    ours: str
    theirs: str


def drifts(
    provider: str, models: Iterable[Model], listing: Listing, today: date, id_of: Callable[[str], str]
) -> tuple[Drift, ...]:
    """Every difference, in the catalog's order, new models last. ``models`` are all that the catalog has of it."""
    ours = list(models)
    found = [drift for model in ours for drift in _of_model(model, listing, today, id_of)]
    known = {id_of(endpoint) for model in ours for endpoint in model.endpoint.values()}
    new = [
        Drift(provider=provider, model=name, kind="new", ours="not in the catalog", theirs="listed")
        for name in listing.models
        if listing.is_whole and name not in known and _SNAPSHOT.sub("", name) not in known
    ]
    return (*found, *new)


def _of_model(model: Model, listing: Listing, today: date, id_of: Callable[[str], str]) -> Iterator[Drift]:
    def drift(kind: Kind, ours: str, theirs: str) -> Drift:
        return Drift(provider=model.provider, model=model.name, kind=kind, ours=ours, theirs=theirs)

    for name in dict.fromkeys(id_of(endpoint) for endpoint in model.endpoint.values()):
        listed = listing.models.get(name)
        if model.retired(today):
            if listed and listing.is_whole and not (listed.retires_on and listed.retires_on <= today):
                yield drift("back", _ends(model.lifecycle.retires_on, "retired"), f"{name} is listed")
        elif listed is None:
            yield drift("missing", model.lifecycle.state, f"{name} is not listed")
        else:
            for kind, one, other in _differences(model, listed, listing):
                yield drift(kind, one, other)


def _differences(model: Model, listed: Listed, listing: Listing) -> Iterator[tuple[Kind, str, str]]:
    ends, theirs = model.lifecycle.retires_on, listed.retires_on
    if ends != theirs and (theirs is not None or listing.tells_dates):
        yield "retires", _ends(ends, "until"), _ends(theirs, "until")
    if listed.is_legacy and model.lifecycle.state == "live":
        yield "legacy", "live", "legacy"
    if listed.microusd is not None and not _agrees(model.price, listed):
        yield "price", _priced(model.price), f"{_money(listed.microusd)} / {listed.unit}"


def _agrees(price: Price | None, listed: Listed) -> bool:
    """Whether a price of ours says the same; a first megapixel's own price may be the one that is listed."""
    unit = listed.unit.rstrip("s")
    if isinstance(price, PerImage):
        return unit == "image" and listed.microusd in {price.microusd, *(tier.microusd for tier in price.tiers)}
    if isinstance(price, PerMegapixel):
        return unit == "megapixel" and listed.microusd in (price.microusd, price.first_microusd)
    return False


def _priced(price: Price | None) -> str:
    if price is None:
        return "unknown"
    if isinstance(price, (PerImage, PerMegapixel)):
        return f"{_money(price.microusd)} / {price.unit}"
    return f"by {price.unit}"


def _money(microusd: Decimal) -> str:
    return usd(int(microusd)) if microusd == int(microusd) else f"${microusd / 1_000_000:f}"


def _ends(on: date | None, word: str) -> str:
    return f"{word} {on.isoformat()}" if on else ("no end" if word == "until" else word)
