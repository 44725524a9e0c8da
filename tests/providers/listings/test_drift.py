"""Where a vendor's list and the catalog differ."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from mintmark.metering.prices import PerMegapixel
from mintmark.providers.listings.base import Listed, Listing
from mintmark.providers.listings.drift import Drift, drifts
from mintmark.providers.model import Model
from mintmark.providers.models import Catalog

TODAY = date(2026, 11, 21)
ENDS = date(2026, 12, 1)
ONE = Catalog.load().known("fal/nano-banana").model_copy(update={"endpoint": {"text-to-image": "one"}})


def model(state: str = "live", ends: date | None = None, **changes: Any) -> Model:
    lifecycle = ONE.lifecycle.model_copy(update={"state": state, "retires_on": ends})
    return ONE.model_copy(update={"lifecycle": lifecycle, **changes})


def found(known: Model, whole: bool = True, dates: bool = True, **listed: Listed) -> list[tuple[str, str, str]]:
    listing = Listing(models=listed, is_whole=whole, tells_dates=dates)
    return [(each.kind, each.ours, each.theirs) for each in drifts("fal", [known], listing, TODAY, lambda end: end)]


def test_what_agrees_is_no_drift() -> None:
    assert found(model(), one=Listed()) == []
    assert found(model("retiring", ENDS), one=Listed(retires_on=ENDS)) == []
    assert found(model("retired", date(2026, 5, 12))) == []


def test_a_model_that_is_not_listed_is_missing() -> None:
    assert found(model()) == [("missing", "live", "one is not listed")]
    assert found(model(), whole=False) == [("missing", "live", "one is not listed")]


def test_a_retired_model_that_is_still_listed_is_back() -> None:
    gone = model("retired", date(2026, 5, 12))
    assert found(gone, one=Listed()) == [("back", "retired 2026-05-12", "one is listed")]
    assert found(gone, one=Listed(retires_on=date(2026, 5, 12))) == [], "the vendor lists it for a while, with its end"


@pytest.mark.parametrize(
    ("ours", "theirs", "dates", "told"),
    [
        (None, ENDS, True, [("retires", "no end", "until 2026-12-01")]),
        (ENDS, date(2027, 1, 1), True, [("retires", "until 2026-12-01", "until 2027-01-01")]),
        (ENDS, None, True, [("retires", "until 2026-12-01", "no end")]),
        (ENDS, None, False, []),
    ],
)
def test_another_day_of_its_end_is_told(
    ours: date | None, theirs: date | None, dates: bool, told: list[tuple[str, str, str]]
) -> None:
    assert found(model("retiring" if ours else "live", ours), dates=dates, one=Listed(retires_on=theirs)) == told


def test_what_the_vendor_calls_legacy_is_told_where_the_catalog_says_live() -> None:
    assert found(model(), one=Listed(is_legacy=True)) == [("legacy", "live", "legacy")]
    assert found(model("legacy"), one=Listed(is_legacy=True)) == []


@pytest.mark.parametrize(
    ("microusd", "unit", "differs"),
    [("39000", "images", False), ("39000", "image", False), ("40000", "images", True), ("39000", "megapixels", True)],
)
def test_another_price_or_unit_is_told(microusd: str, unit: str, differs: bool) -> None:
    told = found(model(), one=Listed(microusd=Decimal(microusd), unit=unit))
    assert told == ([("price", "$0.039 / image", f"${Decimal(microusd) / 1000000} / {unit}")] if differs else [])


@pytest.mark.parametrize(("microusd", "differs"), [("30000", False), ("15000", False), ("20000", True)])
def test_a_first_megapixel_of_another_price_may_be_the_one_that_is_listed(microusd: str, differs: bool) -> None:
    price = PerMegapixel(
        unit="megapixel", microusd=Decimal(15000), first_microusd=Decimal(30000), as_of=TODAY, source="a test"
    )
    told = found(model(price=price), one=Listed(microusd=Decimal(microusd), unit="megapixels"))
    assert bool(told) is differs


def test_a_price_that_the_catalog_does_not_know_is_told() -> None:
    told = found(model(price=None), one=Listed(microusd=Decimal("1250.5"), unit="compute seconds"))
    assert told == [("price", "unknown", "$0.0012505 / compute seconds")]


def test_a_model_that_we_do_not_have_is_new_but_not_a_dated_copy_of_one_that_we_have() -> None:
    listing = Listing(models={"one": Listed(), "one-2026-09-08": Listed(), "two": Listed()}, is_whole=True)
    assert drifts("fal", [model()], listing, TODAY, lambda end: end) == (
        Drift(provider="fal", model="two", kind="new", ours="not in the catalog", theirs="listed"),
    )


def test_a_vendor_that_was_asked_for_ours_alone_has_no_news() -> None:
    assert found(model(), whole=False, one=Listed(), two=Listed()) == []


def test_a_model_with_several_endpoints_is_held_against_each_once() -> None:
    two = model(endpoint={"text-to-image": "one", "edit": "two", "inpaint": "two"})
    assert found(two, one=Listed()) == [("missing", "live", "two is not listed")]
