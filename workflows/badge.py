"""What a partner node's own price badge says in US dollars, from the numbers kept of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from math import ceil
from typing import Any

MICRO = 1_000_000
MEGAPIXEL = 1024 * 1024
"""What BFL's badges count as one megapixel."""


@dataclass(frozen=True)
class Badge:
    """From the least to the most that the badge says, in micro-dollars."""

    low: int
    high: int


def badge(price: Mapping[str, Any] | None, values: Mapping[str, Any], linked: frozenset[str]) -> Badge | None:
    """The badge for these values; ``linked`` are the inputs that have a link. None: it shows no price for them."""
    if price is None:
        return None
    rate = price["rates"].get("/".join(str(values.get(name)) for name in price.get("by", ())))
    count = values.get(price["count"]) if "count" in price else 1
    if rate is None or not isinstance(count, int):
        return None
    ends = _megapixels(rate, price, values, linked) if isinstance(rate, Mapping) else _ends(rate)
    return None if ends is None else Badge(*(_micro(end * max(1, count)) for end in ends))


def _ends(rate: Any) -> tuple[Decimal, Decimal]:
    low, high = (rate, rate) if isinstance(rate, str) else rate
    return Decimal(low), Decimal(high)


def _megapixels(
    rate: Mapping[str, Any], price: Mapping[str, Any], values: Mapping[str, Any], linked: frozenset[str]
) -> tuple[Decimal, Decimal] | None:
    """The first megapixel has its own price, each further one costs more, and so does what goes in."""
    width, height = values.get(price["width"]), values.get(price["height"])
    if not isinstance(width, int) or not isinstance(height, int):
        return None
    made = Decimal(rate["first"]) + Decimal(rate["more"]) * (max(1, ceil(width * height / MEGAPIXEL)) - 1)
    if not any(is_or_below(name, price["references"]) for name in linked):
        return made, made
    low, high = _ends(rate["references"])
    return made + low, made + high


def is_or_below(name: str, base: str) -> bool:
    """Whether an input is this one or one of its own (``model.images.image_1`` of ``model.images``)."""
    return name == base or name.startswith(f"{base}.")


def _micro(amount: Decimal) -> int:
    return int((amount * MICRO).quantize(Decimal(1), rounding=ROUND_HALF_UP))
