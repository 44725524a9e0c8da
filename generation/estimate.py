"""What hosted calls will cost, before anything runs: a range, and what is not known yet. Pure.

The upper end is what the service would set aside (the same arithmetic, see :mod:`..metering.prices`), the lower end the
least that it can come to. Where a quantity is not known, all that the model allows is reckoned with.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import PriceUnknown
from ..metering.prices import PerImage, PerSecond, PerStep, PerToken, Price, Quantities, charge, quote, usd
from ..providers.model import Model, Parameter, Sizes

_STEPS = "steps"


@dataclass(frozen=True)
class Span:
    """From the least to the most; both are the same where it is known."""

    low: float
    high: float

    @classmethod
    def of(cls, value: float) -> Span:
        """What is known."""
        return cls(value, value)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What one node asks a model for, as far as it is known before the run."""

    model: Model
    images: Span = Span(1, 1)
    megapixels: Span | None = None
    """Of one image of the result. None: no size is asked for."""
    input_megapixels: Span = Span(0, 0)
    input_images: Span = Span(0, 0)
    text_bytes: Span = Span(0, 0)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """The model's own, by catalog name."""
    open: frozenset[str] = frozenset()
    """Own parameters that only the run will tell."""


@dataclass(frozen=True)
class Estimate:
    """In micro-dollars. ``high`` None: the catalog knows no price, or no bound of it."""

    low: int
    high: int | None

    @property
    def exact(self) -> bool:
        """Whether it is known to the micro-dollar."""
        return self.low == self.high

    def __str__(self) -> str:
        """For people: ``$0.003``, or ``≈ $0.003 to $0.04`` where it depends on the result."""
        if self.high is None:
            return f"≈ {usd(self.low)} or more" if self.low else "price unknown"
        return usd(self.low) if self.exact else f"≈ {usd(self.low)} to {usd(self.high)}"


def estimate(asked: Asked) -> Estimate:
    """What this costs."""
    price = asked.model.price
    if price is None:
        return Estimate(0, None)
    every = list(_choices(asked, price))
    low = min(_total(asked, price, chosen, low=True) for chosen in every)
    try:
        return Estimate(low, max(_total(asked, price, chosen, low=False) for chosen in every))
    except PriceUnknown:
        return Estimate(low, None)


def total(estimates: Iterable[Estimate]) -> Estimate:
    """The sum; without an upper end where one of them has none."""
    every = list(estimates)
    highs = [each.high for each in every if each.high is not None]
    return Estimate(sum(each.low for each in every), sum(highs) if len(highs) == len(every) else None)


def total_of(one: Estimate, least: int, most: int | None) -> Estimate:
    """The same so many times; without an upper end where there is none of the times."""
    return Estimate(one.low * least, None if one.high is None or most is None else one.high * most)


def sizes(model: Model) -> Span:
    """Megapixels of the smallest and the largest image that the model makes."""
    return Span(*(pixels / 1_000_000 for pixels in _pixels(model.sizes)))


def _pixels(rule: Sizes) -> tuple[int, int]:
    if rule.choices:
        areas = [width * height for width, height in rule.choices]
        return min(areas), max(areas)
    most = rule.max_pixels or rule.max**2
    return min(rule.min**2, most), max(most, rule.unasked_max_pixels or 0)


def _choices(asked: Asked, price: Price) -> Iterator[dict[str, Any]]:
    """The parameters with every value that an open one could take, where the price depends on it."""
    names = [name for name in _matters(price) if name in asked.open and name in asked.model.parameters]
    values = [_values(asked.model.parameters[name]) for name in names]
    for picked in itertools.product(*values):
        yield {**asked.parameters, **dict(zip(names, picked, strict=True))}


def _matters(price: Price) -> list[str]:
    if isinstance(price, PerImage):
        return sorted({name for tier in price.tiers for name in tier.when})
    if isinstance(price, PerToken):
        return [price.tokens_by]
    return [_STEPS] if isinstance(price, PerStep) else []


def _values(parameter: Parameter) -> list[Any]:
    known: list[Any] = [parameter.default, *parameter.choices, parameter.min, parameter.max]
    return [value for value in known if value is not None] or [None]


def _total(asked: Asked, price: Price, parameters: dict[str, Any], *, low: bool) -> int:
    """Call by call, as the service makes them: each is rounded, and each pays for what goes in."""
    left, cost = int(asked.images.low if low else asked.images.high), 0
    while left > 0:
        images = min(left, asked.model.max_count)
        quantities = _quantities(asked, parameters, images, low=low)
        one = _least(price, quantities, parameters) if low else quote(price, quantities, parameters).at_most_microusd
        cost, left = cost + one, left - images
    return cost


def _quantities(asked: Asked, parameters: dict[str, Any], images: int, *, low: bool) -> Quantities:
    def end(span: Span) -> float:
        return span.low if low else span.high

    unasked = asked.model.sizes.unasked_max_pixels
    megapixels = unasked / 1_000_000 if unasked else None
    per_image = asked.model.price.input_image_tokens if isinstance(asked.model.price, PerToken) else 0
    return Quantities(
        images=images,
        megapixels=megapixels if asked.megapixels is None else end(asked.megapixels),
        input_megapixels=end(asked.input_megapixels),
        steps=parameters.get(_STEPS),
        text_tokens=int(end(asked.text_bytes)),
        image_tokens=int(end(asked.input_images)) * per_image,
    )


def _least(price: Price, asked: Quantities, parameters: dict[str, Any]) -> int:
    """The least a call costs: how long it takes and how many tokens it needs is the provider's to tell."""
    if isinstance(price, PerSecond):
        return 0
    if isinstance(price, PerToken):
        rows = price.output_tokens_1024
        one = rows.get(str(parameters.get(price.tokens_by)), min(rows.values()))
        area = float(asked.known("megapixels")) * 1_000_000 / 1024**2 if price.by_area else 1.0
        tokens = {"output_tokens": int(one * min(area, 1.0)) * asked.images, "text_tokens": 0, "image_tokens": 0}
        return charge(price, asked.model_copy(update=tokens), parameters)
    return charge(price, asked, parameters)
