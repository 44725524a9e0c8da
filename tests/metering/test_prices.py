"""What calls cost: exact, in micro-dollars, and never nothing for want of a number."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from mintmark.errors import PriceUnknown
from mintmark.metering.prices import Price, Quantities, charge, measured, quote, usd
from mintmark.providers.models import Catalog


def rule(unit: str, **facts: Any) -> Price:
    found: Price = TypeAdapter(Price).validate_python({"unit": unit, "as_of": "2026-11-21", "source": "test", **facts})
    return found


IMAGE = rule("image", microusd="60000", tiers=[{"when": {"speed": "TURBO"}, "microusd": "30000"}])
MEGAPIXEL = rule("megapixel", microusd="25000", round_up=True, pixels=1048576)
FIRST = rule("megapixel", first_microusd="30000", microusd="15000", round_up=True, pixels=1048576)
STEP = rule("step", microusd="12.5")
SECOND = rule("second", microusd="1150", at_most_seconds=60)
TOKEN = rule(
    "token", text_in="5000000", image_in="8000000", image_out="30000000", output_tokens_1024={"low": 272, "high": 7100}
)

BY_SIZE = rule(
    "token", text_in="2000000", image_in="2000000", image_out="120000000", text_out="14000000",
    output_tokens_1024={"1K": 1120, "4K": 2000}, tokens_by="image_size", output_text_tokens=1000
)  # fmt: skip


@pytest.mark.parametrize(
    ("price", "used", "parameters", "microusd"),
    [
        (IMAGE, Quantities(images=3), {}, 180_000),
        (IMAGE, Quantities(images=3), {"speed": "TURBO"}, 90_000),
        (IMAGE, Quantities(images=3), {"speed": "QUALITY"}, 180_000),
        (MEGAPIXEL, Quantities(megapixels=1.048576), {}, 25_000),
        (MEGAPIXEL, Quantities(megapixels=1.048577), {}, 50_000),
        (MEGAPIXEL, Quantities(megapixels=0.01, images=4), {}, 100_000),
        (FIRST, Quantities(megapixels=1.048576), {}, 30_000),
        (FIRST, Quantities(megapixels=4.194304), {}, 75_000),
        (STEP, Quantities(steps=28, images=2), {}, 700),
        (STEP, Quantities(steps=1), {}, 13),
        (SECOND, Quantities(seconds=2.5), {}, 2_875),
        (TOKEN, Quantities(text_tokens=10, image_tokens=100, output_tokens=1000), {}, 30_850),
        (TOKEN, Quantities(output_tokens=0), {}, 0),
        (BY_SIZE, Quantities(text_tokens=10, output_tokens=1120, output_text_tokens=200), {}, 137_220),
    ],
)
def test_a_charge_is_exact(price: Price, used: Quantities, parameters: dict[str, Any], microusd: int) -> None:
    assert charge(price, used, parameters) == microusd


def test_tokens_by_a_size_are_those_of_the_size_and_words_are_bounded_beside_them() -> None:
    sizes = [quote(BY_SIZE, Quantities(), {"image_size": size}).at_most_microusd for size in ("1K", "4K", "8K")]
    assert sizes == [1120 * 120 + 14_000, 2000 * 120 + 14_000, 2000 * 120 + 14_000]
    large = quote(BY_SIZE, Quantities(megapixels=67), {"image_size": "1K"})
    assert large.at_most_microusd == sizes[0]


@pytest.mark.parametrize("price", [MEGAPIXEL, FIRST, STEP])
def test_what_cannot_be_bounded_is_not_quoted_at_nothing(price: Price) -> None:
    with pytest.raises(PriceUnknown, match=price.unit):
        quote(price, Quantities(), {})


@pytest.mark.parametrize(
    ("price", "lacking", "enough"),
    [
        (MEGAPIXEL, Quantities(images=2), Quantities(megapixels=1)),
        (STEP, Quantities(megapixels=1), Quantities(steps=1)),
        (SECOND, Quantities(), Quantities(seconds=1)),
        (TOKEN, Quantities(text_tokens=5), Quantities(output_tokens=0)),
    ],
)
def test_an_unmeasured_quantity_is_told_from_zero(price: Price, lacking: Quantities, enough: Quantities) -> None:
    assert not measured(price, lacking)
    assert measured(price, enough)


def test_one_image_is_a_measure_of_its_own() -> None:
    assert measured(IMAGE, Quantities())


def test_an_unknown_quality_is_bounded_by_the_dearest() -> None:
    asked = Quantities(megapixels=1.048576)
    assert quote(TOKEN, asked, {"quality": "low"}).at_most_microusd == 272 * 30
    assert (
        quote(TOKEN, asked, {}).at_most_microusd == quote(TOKEN, asked, {"quality": "auto"}).at_most_microusd == 213_000
    )


def test_a_quote_in_seconds_is_the_longest_run() -> None:
    found = quote(SECOND, Quantities(), {})
    assert (found.at_most_microusd, found.exact) == (69_000, False)


@settings(deadline=None)
@given(st.integers(1, 20), st.floats(0.01, 20), st.sampled_from(["low", "high", "auto"]))
def test_more_images_never_cost_less(images: int, megapixels: float, quality: str) -> None:
    for price in (IMAGE, MEGAPIXEL, FIRST, TOKEN):
        one = quote(price, Quantities(images=images, megapixels=megapixels), {"quality": quality})
        more = quote(price, Quantities(images=images + 1, megapixels=megapixels), {"quality": quality})
        assert 0 < one.at_most_microusd <= more.at_most_microusd


@pytest.mark.parametrize(
    ("microusd", "text"),
    [
        (0, "$0.00"),
        (3000, "$0.003"),
        (1_000_000, "$1.00"),
        (1, "$0.000001"),
        (12_345_678, "$12.345678"),
        (500_000, "$0.50"),
    ],
)
def test_money_is_shown_to_people_without_losing_any(microusd: int, text: str) -> None:
    assert usd(microusd) == text


@given(st.integers(0, 10**15))
def test_money_shown_is_the_money_meant(microusd: int) -> None:
    assert Decimal(usd(microusd).removeprefix("$")) * 1_000_000 == microusd


def test_every_model_that_can_be_called_and_has_a_price_costs_something() -> None:
    for model in Catalog.load().list():
        if model.price is None or model.lifecycle.state == "retired":
            continue
        pixels = model.sizes.unasked_max_pixels or 1024 * 1024
        asked = Quantities(megapixels=pixels / 1_000_000, steps=1)
        assert quote(model.price, asked, {}).at_most_microusd > 0, model.name
