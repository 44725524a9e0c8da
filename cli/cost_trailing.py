"""What the ledger's last 30 days give to ``mintmark cost breakeven`` and ``watch``, and what stands in for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ..clock import utc_now
from ..errors import UsageError
from .books import open_books
from .settings import settings

if TYPE_CHECKING:
    from ..config import Settings
    from ..metering.trailing import Trailing

ASSUMED_HOUR, ASSUMED_RATE, ASSUMED_OVERHEAD = Decimal("1.20"), Decimal(600), Decimal(2000)
"""Of the book's example (38.3): a rented GPU, an image every six seconds, a part of somebody's month."""
MICRO = Decimal(1_000_000)


@dataclass(frozen=True)
class Known:
    """One number, and where it comes from; money in dollars."""

    value: Decimal
    source: str


def month(found: Settings) -> Trailing:
    """The last 30 days of this ledger."""
    from ..metering.trailing import since, trailing

    today = utc_now().date()
    with open_books(found) as (ledger, _):
        return trailing(ledger.report("provider", since=since(today), until=today))


def gpu_hour(found: Settings) -> Known:
    """Of the settings, or assumed."""
    from ..metering.local import hour_microusd

    if found.gpu_hour:
        return Known(hour_microusd(found.gpu_hour) / MICRO, "MINTMARK_GPU_HOUR_USD")
    return Known(ASSUMED_HOUR, "assumed; say --gpu-hour")


def rate(seen: Trailing, found: Settings) -> Known:
    """As measured in local jobs, or assumed."""
    measured = seen.rate(gpu_hour(found).value * MICRO) if found.gpu_hour else None
    if measured is None:
        return Known(ASSUMED_RATE, "assumed; say --rate")
    return Known(measured.quantize(Decimal("0.01")), f"measured on {seen.local_images:,} local images")


def overhead() -> Known:
    """Assumed: nothing here knows what people cost."""
    return Known(ASSUMED_OVERHEAD, "assumed; say --overhead")


def fill(given: Mapping[str, str | None], *, sandbox: bool) -> tuple[dict[str, Known], int | None]:
    """What was not given, by option, and the images of the last 30 days where the price is theirs.

    Raises UsageError where there is no hosted image to take a price from.
    """
    lacking = [name for name, value in given.items() if value is None]
    if not lacking:
        return {}, None
    found, _ = settings(sandbox=sandbox)
    seen = month(found)
    filled = {"gpu-hour": gpu_hour(found), "rate": rate(seen, found), "overhead": overhead()}
    volume = None
    if "hosted-price" in lacking:
        filled["hosted-price"] = _own_price(seen, found)
        volume = seen.images
    return {name: filled[name] for name in lacking}, volume


def _own_price(seen: Trailing, found: Settings) -> Known:
    if seen.price_microusd is None:
        raise UsageError(
            f"--hosted-price: the {found.mode} ledger has no hosted image of the last 30 days to take a price from.",
            hint="Say --hosted-price 0.03, or use --sandbox for play money.",
        )
    price = (seen.price_microusd / MICRO).quantize(Decimal("1e-12"))
    return Known(price, f"average of {seen.images:,} images in the last 30 days ({found.mode})")
