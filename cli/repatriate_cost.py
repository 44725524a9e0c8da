"""What the images of some days cost hosted, and what they would have cost on a GPU of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from . import cost_trailing
from .cost_trailing import MICRO, Known
from .money import decimal_of

if TYPE_CHECKING:
    from ..config import Settings
    from ..metering.breakeven import Case
    from ..metering.ledger_sql import SqlLedger
    from .repatriate_usage import Spent

_SECONDS = Decimal(3600)
_MONTH = 30


@dataclass(frozen=True)
class Costs:
    """Money in dollars, as it is typed; ``case`` in micro-dollars. ``days``: how many the images are of."""

    gpu_hour: Known
    rate: Known
    overhead: Known
    images: int
    hosted_microusd: int
    days: int

    @property
    def gpu_seconds(self) -> Decimal:
        """Of work for all the images."""
        return self.images * _SECONDS / self.rate.value

    @property
    def own_microusd(self) -> int:
        """What these seconds cost, without the overhead of a month."""
        return round(self.gpu_seconds * self.gpu_hour.value * MICRO / _SECONDS)

    @property
    def case(self) -> Case | None:
        """For the break-even; None where no image was hosted."""
        from ..metering.breakeven import Case

        if not self.images:
            return None
        return Case(
            hosted=Decimal(self.hosted_microusd) / self.images,
            gpu_hour=self.gpu_hour.value * MICRO,
            rate=self.rate.value,
            overhead=self.overhead.value * MICRO,
        )

    @property
    def advice(self) -> str:
        """The break-even in a sentence."""
        from ..metering.breakeven import sentence

        if self.case is None:
            return "No image was hosted in these days, so there is nothing to compare."
        return sentence(self.case, round(Decimal(self.images) * _MONTH / self.days))

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        crossover = self.case.break_even() if self.case else None
        return {
            "images": self.images,
            "hosted_microusd": self.hosted_microusd,
            "gpu_seconds": round(float(self.gpu_seconds), 1),
            "own_microusd": self.own_microusd,
            "gpu_hour_usd": float(self.gpu_hour.value),
            "rate": float(self.rate.value),
            "overhead_usd": float(self.overhead.value),
            "sources": {name: getattr(self, name).source for name in ("gpu_hour", "rate", "overhead")},
            "break_even_images": None if crossover is None else round(float(crossover), 2),
            "advice": self.advice,
        }


def costs(
    found: Settings, ledger: SqlLedger, hosted: Spent, model: str, days: int, given: dict[str, str | None]
) -> Costs:
    """``model``: ``local/<checkpoint>``; ``given``: what was said on the command line, by option."""
    hour = _given("gpu-hour", given) or cost_trailing.gpu_hour(found)
    rate = _given("rate", given) or _measured(found, model) or _metered(found, ledger, model, hour) or _assumed()
    overhead = _given("overhead", given) or cost_trailing.overhead()
    return Costs(hour, rate, overhead, hosted.images, hosted.microusd, days)


def _given(name: str, given: dict[str, str | None]) -> Known | None:
    """What was said. Raises UsageError for what is no number, or an hour that makes no image."""
    text = given.get(name)
    if text is None:
        return None
    value = decimal_of(name, text)
    if name == "rate" and not value:
        from ..errors import UsageError

        raise UsageError("--rate: 0 images an hour are none.", hint="Give the images that a GPU makes in an hour.")
    return Known(value, f"--{name}")


def _metered(found: Settings, ledger: SqlLedger, model: str, hour: Known) -> Known | None:
    """What jobs with this checkpoint made here, by what the ledger charged for it."""
    if not found.gpu_hour:
        return None
    rows = [each for each in ledger.report("model", model=model) if each.images and each.microusd]
    if not rows:
        return None
    images, microusd = (sum(getattr(each, name) for each in rows) for name in ("images", "microusd"))
    value = images * hour.value * MICRO / microusd
    return Known(value.quantize(Decimal("0.01")), f"metered on {images:,} images of {model}")


def _measured(found: Settings, model: str) -> Known | None:
    """What ``mintmark bench local`` measured of this checkpoint here."""
    from ..metering.measured import latest, measured

    newest = latest(measured(found.data_dir), model)
    return None if newest is None else Known(newest.images_per_hour, newest.source)


def _assumed() -> Known:
    return Known(cost_trailing.ASSUMED_RATE, "assumed; say --rate, or measure it: mintmark bench local")
