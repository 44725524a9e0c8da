"""What a call will cost before it is made: never less at the upper end than the service sets aside."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from mintmark.generation.estimate import Asked, Estimate, Span, estimate, sizes, total
from mintmark.metering.prices import PerImage, PerMegapixel, PerSecond, PerStep, PerToken, Tier
from mintmark.providers.model import Model
from mintmark.providers.models import Catalog

DATED: dict[str, Any] = {"as_of": date(2026, 11, 21), "source": "a test"}


def model(price: Any, **changes: Any) -> Model:
    """A real model with another price."""
    return Catalog.load().known("fal/flux-dev").model_copy(update={"price": price, **changes})


def test_a_price_by_image_is_exact() -> None:
    price = PerImage(unit="image", microusd=Decimal(40_000), **DATED)
    assert estimate(Asked(model=model(price), images=Span.of(3))) == Estimate(120_000, 120_000)


def test_a_parameter_that_is_not_known_gives_all_its_prices() -> None:
    tiers = tuple(Tier(when={"quality": name}, microusd=Decimal(cost)) for name, cost in (("low", 10), ("high", 90)))
    price = PerImage(unit="image", microusd=Decimal(40), tiers=tiers, **DATED)
    ideogram = Catalog.load().known("fal/ideogram-v3").parameters["rendering_speed"]
    spec = ideogram.model_copy(update={"choices": ("low", "middle", "high"), "default": "middle"})
    asked = model(price, parameters={"quality": spec})
    assert estimate(Asked(model=asked, open=frozenset({"quality"}))) == Estimate(10, 90)
    assert estimate(Asked(model=asked, parameters={"quality": "high"})) == Estimate(90, 90)


def test_a_size_that_is_not_known_gives_a_range() -> None:
    price = PerMegapixel(unit="megapixel", microusd=Decimal(1000), round_up=True, **DATED)
    found = estimate(Asked(model=model(price), megapixels=Span(0.5, 4.0)))
    assert (found.low, found.high, found.exact) == (1000, 4000, False)
    assert str(found) == "≈ $0.001 to $0.004"


def test_each_call_pays_for_what_goes_in() -> None:
    price = PerMegapixel(unit="megapixel", microusd=Decimal(1000), input_microusd=Decimal(500), **DATED)
    asked = Asked(
        model=model(price, max_count=2), images=Span.of(3), megapixels=Span.of(1), input_megapixels=Span.of(2)
    )
    assert estimate(asked) == Estimate(3 * 1000 + 2 * 1000, 3 * 1000 + 2 * 1000)


def test_time_may_be_nothing_and_is_bounded() -> None:
    price = PerSecond(unit="second", microusd=Decimal(100), at_most_seconds=60, **DATED)
    assert estimate(Asked(model=model(price))) == Estimate(0, 6000)


def test_tokens_are_bounded_by_the_dearest_quality_and_the_cheapest() -> None:
    price = PerToken(
        unit="token",
        text_in=Decimal(0),
        image_in=Decimal(0),
        image_out=Decimal(1_000_000),
        output_tokens_1024={"low": 10, "high": 100},
        **DATED,
    )
    size = Span.of(1024**2 / 1_000_000)
    assert estimate(Asked(model=model(price), megapixels=size)) == Estimate(10, 100)
    assert estimate(Asked(model=model(price), megapixels=size, parameters={"quality": "low"})) == Estimate(10, 10)


def test_tokens_by_a_size_do_not_scale_and_words_beside_an_image_are_no_certainty() -> None:
    price = PerToken(
        unit="token",
        text_in=Decimal(0),
        image_in=Decimal(0),
        image_out=Decimal(1_000_000),
        text_out=Decimal(100_000),
        tokens_by="image_size",
        output_tokens_1024={"1K": 10, "4K": 100},
        output_text_tokens=50,
        **DATED,
    )
    for size in (None, Span.of(67), Span.of(0.01)):
        asked = Asked(model=model(price), megapixels=size, parameters={"image_size": "1K"})
        assert estimate(asked) == Estimate(10, 15)


def test_a_price_that_nobody_knows_has_no_end() -> None:
    found = estimate(Asked(model=model(None)))
    assert found == Estimate(0, None)
    assert str(found) == "price unknown"
    assert total([found, Estimate(5, 5)]) == Estimate(5, None)


def test_steps_that_are_not_known_have_no_end() -> None:
    assert estimate(Asked(model=model(PerStep(unit="step", microusd=Decimal(3), **DATED)))).high is None


@pytest.mark.parametrize("one", Catalog.load().list(), ids=lambda one: one.name)
def test_every_model_of_the_catalog_can_be_estimated(one: Model) -> None:
    span = sizes(one)
    assert 0 < span.low <= span.high
    every = frozenset(one.parameters)
    found = estimate(Asked(model=one, images=Span(1, 4), megapixels=span, open=every, input_megapixels=Span(0, 4)))
    assert found.high is None or 0 <= found.low <= found.high
    if one.price is not None and one.price.unit in ("image", "megapixel", "token"):
        assert found.high is not None
