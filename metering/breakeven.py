"""When owning GPUs gets cheaper than renting images: pure arithmetic. Money is micro-dollars, kept exact as Decimal.

A month of N images costs ``c * N`` hosted and ``(G / (r * u)) * N + E`` on GPUs of one's own: c is the hosted price of
an image, G the cost of a GPU hour, r the images that an hour makes, u the part of the paid hours that makes images, E
what a month costs whether or not an image is made (people, on-call, storage). Both are equal at

    N* = E / (c - G / (r * u))

and where ``c <= G / (r * u)`` owning never gets cheaper. It is the crossover of the book chapter this product was
asked for with (section 38.3), with utilisation added.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import product
from math import ceil

from ..errors import InvalidInput

HOURS_PER_MONTH = Decimal(730)
"""8,760 hours of a year by 12."""
MICRO = Decimal(1_000_000)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is compared. Money in micro-dollars."""

    hosted: Decimal
    """Price of one hosted image (c)."""
    gpu_hour: Decimal
    """Cost of one GPU hour (G)."""
    rate: Decimal
    """Images that one GPU makes in an hour of work (r)."""
    overhead: Decimal
    """Cost of a month besides the GPUs (E)."""
    utilisation: Decimal = Decimal(1)
    """The part of the paid GPU hours that makes images (u), above 0 and up to 1."""

    def __post_init__(self) -> None:
        for name in ("hosted", "gpu_hour", "overhead"):
            value = getattr(self, name)
            if not value.is_finite() or value < 0:
                raise InvalidInput(f"{name}: cannot be {value}.", hint="Give an amount of 0 or more.")
        if not self.rate.is_finite() or self.rate <= 0:
            raise InvalidInput(f"rate: cannot be {self.rate}.", hint="Give the images that a GPU makes in an hour.")
        if not (self.utilisation.is_finite() and 0 < self.utilisation <= 1):
            raise InvalidInput(f"utilisation: cannot be {self.utilisation}.", hint="Above 0 and up to 1: 0.4 is 40 %.")

    @property
    def own(self) -> Decimal:
        """Cost of one image on a GPU of one's own, without the overhead."""
        return self.gpu_hour / (self.rate * self.utilisation)

    @property
    def saving(self) -> Decimal:
        """What each owned image saves over a hosted one; negative where it costs more."""
        return self.hosted - self.own

    def break_even(self) -> Decimal | None:
        """Images a month from which owning is cheaper; None where it never is."""
        return self.overhead / self.saving if self.saving > 0 else None

    def hosted_month(self, images: Decimal | int) -> Decimal:
        """Cost of a month with so many images, hosted."""
        return self.hosted * images

    def own_month(self, images: Decimal | int) -> Decimal:
        """Cost of a month with so many images, owned."""
        return self.own * images + self.overhead

    def cheaper(self, images: Decimal | int) -> str:
        """``hosted`` or ``own``: what is cheaper at this volume. Renting wins a draw: nothing has to be bought."""
        return "own" if self.own_month(images) < self.hosted_month(images) else "hosted"

    def fewer_steps(self, before: int, after: int) -> Case:
        """The same with a few-step model: the GPU makes ``before / after`` times as many images an hour.

        The hosted price stays: whether the provider passes its saving on is another price, and so another case.
        """
        if before < 1 or after < 1:
            raise InvalidInput(f"steps: cannot be {before} to {after}.", hint="Give two counts of 1 or more.")
        return replace(self, rate=self.rate * before / after)

    def gpus(self, images: Decimal | int) -> int:
        """How many GPUs a month of so many images keeps busy at this utilisation, at least one."""
        hours = Decimal(images) / (self.rate * self.utilisation)
        return max(1, ceil(hours / HOURS_PER_MONTH))


@dataclass(frozen=True, kw_only=True)
class Span:
    """An input that is only known to lie within a range."""

    low: Decimal
    high: Decimal

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise InvalidInput(f"range: {self.low} is more than {self.high}.", hint="Give the lower number first.")

    @property
    def middle(self) -> Decimal:
        """Halfway between both."""
        return (self.low + self.high) / 2


@dataclass(frozen=True, kw_only=True)
class Spans:
    """A case whose inputs are ranges."""

    hosted: Span
    gpu_hour: Span
    rate: Span
    overhead: Span
    utilisation: Span = Span(low=Decimal(1), high=Decimal(1))

    @property
    def middle(self) -> Case:
        """The case in the middle of every range."""
        return Case(**{name: getattr(self, name).middle for name in _INPUTS})

    def corners(self) -> Iterator[Case]:
        """Every combination of lowest and highest values."""
        ends = [{getattr(self, name).low, getattr(self, name).high} for name in _INPUTS]
        for values in product(*ends):
            yield Case(**dict(zip(_INPUTS, values, strict=True)))

    def break_even(self) -> tuple[Decimal | None, Decimal | None]:
        """The smallest and the largest crossover within the ranges; None for one that never comes.

        The crossover is monotone in each input, so its extremes lie in the corners.
        """
        found = [case.break_even() for case in self.corners()]
        known = [each for each in found if each is not None]
        return (min(known) if known else None), (None if None in found else max(known))


_INPUTS = ("hosted", "gpu_hour", "rate", "overhead", "utilisation")


@dataclass(frozen=True, kw_only=True)
class OwnedHour:
    """What an hour of a bought GPU costs, from what was paid for it. Money in micro-dollars."""

    capital: Decimal
    """Price of the machine's share of one GPU."""
    lifetime_months: Decimal
    """After so many months it is worth nothing."""
    watts: Decimal = Decimal(0)
    """Drawn under load, with its share of machine and cooling."""
    kilowatt_hour: Decimal = Decimal(0)
    """Price of electricity."""
    operations_days: Decimal = Decimal(0)
    """Days of work a month that this GPU takes."""
    day_rate: Decimal = Decimal(0)
    """Cost of one such day."""

    def cost(self) -> Decimal:
        """Cost of each hour of the month, in use or not; electricity as if in use. Raises InvalidInput."""
        if self.lifetime_months <= 0:
            raise InvalidInput("lifetime_months: must be above 0.", hint="36 is usual.")
        for name in ("capital", "watts", "kilowatt_hour", "operations_days", "day_rate"):
            if getattr(self, name) < 0:
                raise InvalidInput(f"{name}: cannot be below 0.", hint="Leave out what costs nothing.")
        month = self.capital / self.lifetime_months + self.operations_days * self.day_rate
        return month / HOURS_PER_MONTH + self.watts / 1000 * self.kilowatt_hour


def sentence(case: Case, images: Decimal | int | None) -> str:
    """The advice in one plain sentence. ``images`` is the volume of a month, None where it is not known."""
    crossover = case.break_even()
    if crossover is None:
        return (
            f"Stay hosted: an image costs {_usd(case.hosted)} hosted and {_usd(case.own)} on your own GPU, "
            "so owning never gets cheaper."
        )
    if images is None:
        return f"Stay hosted below {_count(crossover)} images a month; above that, owning is cheaper."
    difference = abs(case.hosted_month(images) - case.own_month(images))
    if case.cheaper(images) == "hosted":
        return (
            f"Stay hosted: {_count(images)} images a month are below the crossover of {_count(crossover)}, "
            f"and owning would cost {_usd(difference)} more a month."
        )
    return (
        f"Own: {_count(images)} images a month are above the crossover of {_count(crossover)}, "
        f"and {case.gpus(images)} GPU{'s' if case.gpus(images) > 1 else ''} would save {_usd(difference)} a month."
    )


def _usd(microusd: Decimal) -> str:
    dollars = microusd / MICRO
    return f"${dollars:,.2f}" if dollars >= 1 or dollars == 0 else f"${dollars:.4f}".rstrip("0")


def _count(images: Decimal | int) -> str:
    return f"{Decimal(images):,.0f}"
