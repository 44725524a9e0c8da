"""What the last 30 days say: how many images were hosted, at what price, and how many this house made itself. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from .ledger import Spend
from .local import PROVIDER

DAYS = 30


@dataclass(frozen=True)
class Trailing:
    """A month that ends today, in micro-dollars. Calls in doubt count in full; cached results are no images."""

    images: int
    """Hosted."""
    microusd: int
    local_images: int
    local_microusd: int

    @property
    def price_microusd(self) -> Decimal | None:
        """Average of a hosted image; None where there was none."""
        return Decimal(self.microusd) / self.images if self.images else None

    def rate(self, gpu_hour_microusd: Decimal) -> Decimal | None:
        """Images an hour of a GPU at work made here; None where none was metered."""
        if not self.local_images or not self.local_microusd:
            return None
        return self.local_images * gpu_hour_microusd / self.local_microusd


def since(today: date) -> date:
    """The first of the days."""
    return today - timedelta(days=DAYS - 1)


def trailing(by_provider: Iterable[Spend]) -> Trailing:
    """Sum up a report by provider."""
    every = list(by_provider)
    hosted = [spend for spend in every if spend.key != PROVIDER]
    local = [spend for spend in every if spend.key == PROVIDER]
    return Trailing(
        images=sum(images_of(each) for each in hosted),
        microusd=sum(each.microusd + each.unknown_microusd for each in hosted),
        local_images=sum(each.images for each in local),
        local_microusd=sum(each.microusd for each in local),
    )


def images_of(spend: Spend) -> int:
    """How many images a line of a report stands for. Older ledgers, and calls that were decided by hand, do not say how
    many there were: at least one each."""
    return max(spend.images, spend.calls - spend.released - spend.cached)
