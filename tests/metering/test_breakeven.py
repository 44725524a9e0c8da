"""The crossover of renting and owning, with worked numbers."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.errors import InvalidInput
from mintmark.metering.breakeven import Case, OwnedHour, Span, Spans, sentence


def usd(amount: str) -> Decimal:
    return Decimal(amount) * 1_000_000


BOOK = Case(hosted=usd("0.03"), gpu_hour=usd("1.20"), rate=Decimal(600), overhead=usd("2000"))


def case(c: str, g: str, r: str, e: str, u: str = "1") -> Case:
    return Case(hosted=usd(c), gpu_hour=usd(g), rate=Decimal(r), overhead=usd(e), utilisation=Decimal(u))


def test_the_books_example_crosses_at_71428_57_images_a_month_and_50000_stay_hosted() -> None:
    crossover = BOOK.break_even()
    assert crossover is not None
    assert round(crossover, 2) == Decimal("71428.57")
    assert BOOK.cheaper(50_000) == "hosted"
    assert BOOK.cheaper(71_428) == "hosted"
    assert BOOK.cheaper(71_429) == "own"


@pytest.mark.parametrize(
    ("given", "crossover"),
    [
        (case("0.002", "1.20", "600", "2000"), None),
        (case("0.001", "1.20", "600", "2000"), None),
        (case("0.03", "1.20", "600", "0"), Decimal(0)),
        (case("0.03", "0", "600", "3000"), Decimal(100_000)),
        (case("0.03", "1.20", "600", "2000", "0.2"), Decimal(100_000)),
        (case("0.03", "1.20", "600", "2000", "0.05"), None),
        (case("0.06", "4.00", "1000", "5600"), Decimal(100_000)),
    ],
)
def test_worked_crossovers(given: Case, crossover: Decimal | None) -> None:
    assert given.break_even() == crossover


def test_at_the_crossover_both_months_cost_the_same() -> None:
    images = BOOK.break_even()
    assert images is not None
    assert abs(BOOK.hosted_month(images) - BOOK.own_month(images)) < Decimal("0.000001")


def test_a_few_step_model_multiplies_the_rate_and_brings_the_crossover_down() -> None:
    faster = BOOK.fewer_steps(20, 4)
    assert faster.rate == 3000
    assert round(faster.break_even() or 0, 2) == Decimal("67567.57")


amounts = st.decimals("0.0001", "1000", places=4)


@given(amounts, amounts, st.integers(1, 10_000), amounts, st.integers(0, 10**9))
def test_the_crossover_parts_the_volumes_where_either_is_cheaper(
    c: Decimal, g: Decimal, r: int, e: Decimal, images: int
) -> None:
    each = Case(hosted=c * 10**6, gpu_hour=g * 10**6, rate=Decimal(r), overhead=e * 10**6)
    crossover = each.break_even()
    if crossover is None or images < crossover * Decimal("0.999999"):
        assert each.cheaper(images) == "hosted"
    elif images > crossover * Decimal("1.000001"):
        assert each.cheaper(images) == "own"


def span(low: str, high: str, money: bool = True) -> Span:
    factor = 1_000_000 if money else 1
    return Span(low=Decimal(low) * factor, high=Decimal(high) * factor)


def test_ranges_of_the_inputs_give_a_range_of_crossovers() -> None:
    spans = Spans(
        hosted=span("0.02", "0.04"),
        gpu_hour=span("1", "2"),
        rate=span("400", "1000", money=False),
        overhead=span("1000", "3000"),
    )
    low, high = spans.break_even()
    assert low == (Decimal(1000) / (Decimal("0.04") - Decimal(1) / 1000))
    assert high == (Decimal(3000) / (Decimal("0.02") - Decimal(2) / 400))
    assert spans.middle.rate == 700


def test_a_range_that_reaches_the_owned_price_may_never_cross() -> None:
    spans = Spans(
        hosted=span("0.001", "0.04"),
        gpu_hour=span("1", "2"),
        rate=span("400", "1000", money=False),
        overhead=span("1000", "3000"),
    )
    low, high = spans.break_even()
    assert low is not None
    assert high is None


def test_the_hour_of_a_bought_gpu_is_built_from_what_it_takes() -> None:
    hour = OwnedHour(
        capital=usd("26280"),
        lifetime_months=Decimal(36),
        watts=Decimal(1000),
        kilowatt_hour=usd("0.25"),
        operations_days=Decimal(1),
        day_rate=usd("365"),
    )
    # 26,280 / 36 = 730 a month = 1.00 an hour; 365 / 730 = 0.50; 1 kW at 0.25.
    assert hour.cost() == usd("1.75")


@pytest.mark.parametrize(("images", "gpus"), [(1, 1), (438_000, 1), (438_001, 2), (4_380_000, 10)])
def test_so_many_gpus_are_busy(images: int, gpus: int) -> None:
    assert BOOK.gpus(images) == gpus


@pytest.mark.parametrize(
    ("images", "told"),
    [
        (
            50_000,
            "Stay hosted: 50,000 images a month are below the crossover of 71,429, and owning would cost $600.00 more",
        ),
        (
            100_000,
            "Own: 100,000 images a month are above the crossover of 71,429, and 1 GPU would save $800.00 a month.",
        ),
        (None, "Stay hosted below 71,429 images a month"),
    ],
)
def test_the_advice_is_one_plain_sentence(images: int | None, told: str) -> None:
    text = sentence(BOOK, images)
    assert text.startswith(told)
    assert text.count(". ") == 0


def test_where_owning_never_pays_the_sentence_says_so() -> None:
    assert "owning never gets cheaper" in sentence(case("0.002", "1.20", "600", "2000"), 10**9)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("hosted", ("-1", "1", "1", "1", "1")),
        ("gpu_hour", ("1", "-1", "1", "1", "1")),
        ("rate", ("1", "1", "0", "1", "1")),
        ("overhead", ("1", "1", "1", "NaN", "1")),
        ("utilisation", ("1", "1", "1", "1", "0")),
        ("utilisation", ("1", "1", "1", "1", "1.1")),
    ],
)
def test_impossible_inputs_are_refused_by_name(field: str, values: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput, match=f"^{field}: "):
        case(*values)
