"""What the ledger's last 30 days give to ``mintmark cost breakeven`` and ``watch``, and what stands in for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ..clock import utc_now
from ..errors import UsageError
from .books import has_ledger, open_books
from .settings import settings

if TYPE_CHECKING:
    from ..config import Settings
    from ..metering.breakeven import Case
    from ..metering.measured import Measured
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


def rate(seen: Trailing, found: Settings, checkpoint: str | None = None) -> Known:
    """As local jobs say; else, and where a ``checkpoint`` is named, as ``mintmark bench local`` measured; else assumed.

    Raises UsageError where the checkpoint that is named was not measured.
    """
    metered = seen.rate(gpu_hour(found).value * MICRO) if found.gpu_hour and checkpoint is None else None
    if metered is not None:
        return Known(metered.quantize(Decimal("0.01")), f"measured on {seen.local_images:,} local images")
    benched = _benched(found, checkpoint)
    if benched is None:
        return Known(ASSUMED_RATE, "assumed; say --rate")
    how = f"{benched.model}, {benched.width}x{benched.height}, {benched.steps} steps"
    return Known(benched.images_per_hour, f"{benched.source} ({how})")


def _benched(found: Settings, checkpoint: str | None) -> Measured | None:
    """The newest measurement, of the checkpoint where one is named."""
    from ..metering.local import PROVIDER
    from ..metering.measured import latest, measured

    every = measured(found.data_dir)
    if checkpoint is None:
        return latest(every)
    name = f"{PROVIDER}/{checkpoint.removeprefix(f'{PROVIDER}/')}"
    one = latest(every, name)
    if one is None:
        there = ", ".join(dict.fromkeys(each.model for each in every)) or "none"
        raise UsageError(
            f"--checkpoint: {name} was not measured on this machine; of checkpoints that were there is {there}.",
            hint=f"Run: mintmark bench local {name.removeprefix(f'{PROVIDER}/')}",
        )
    return one


def overhead() -> Known:
    """Assumed: nothing here knows what people cost."""
    return Known(ASSUMED_OVERHEAD, "assumed; say --overhead")


def fill(
    given: Mapping[str, str | None], *, sandbox: bool, checkpoint: str | None = None
) -> tuple[dict[str, Known], int | None]:
    """What was not given, by option, and the images of the last 30 days where the price is theirs.

    Raises UsageError where there is no hosted image to take a price from, and as :func:`rate`.
    """
    lacking = [name for name, value in given.items() if value is None]
    if not lacking:
        return {}, None
    found, _ = settings(sandbox=sandbox)
    seen = month(found)
    filled = {"gpu-hour": gpu_hour(found), "rate": rate(seen, found, checkpoint), "overhead": overhead()}
    volume = None
    if "hosted-price" in lacking:
        filled["hosted-price"] = _own_price(seen, found)
        volume = seen.images
    return {name: filled[name] for name in lacking}, volume


def crossover(*, sandbox: bool) -> Case | None:
    """What ``mintmark cost breakeven`` compares unless told otherwise; None where there is no hosted image of the last
    30 days."""
    from ..metering.breakeven import Case

    found, _ = settings(sandbox=sandbox)
    seen = month(found) if has_ledger(found) else None
    if seen is None or seen.price_microusd is None:
        return None
    hour, price = gpu_hour(found).value * MICRO, seen.price_microusd
    return Case(hosted=price, gpu_hour=hour, rate=rate(seen, found).value, overhead=overhead().value * MICRO)


def _own_price(seen: Trailing, found: Settings) -> Known:
    if seen.price_microusd is None:
        raise UsageError(
            f"--hosted-price: the {found.mode} ledger has no hosted image of the last 30 days to take a price from.",
            hint="Say --hosted-price 0.03" + ("." if found.sandbox else ", or use --sandbox for play money."),
        )
    price = (seen.price_microusd / MICRO).quantize(Decimal("1e-12"))
    return Known(price, f"average of {seen.images:,} images in the last 30 days ({found.mode})")
