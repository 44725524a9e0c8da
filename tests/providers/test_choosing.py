"""Filters of the model list: what a provider does not state is never taken for promised."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from mintmark.providers.choosing import Wanted, at_most_microusd, chosen, state_of
from mintmark.providers.model import Model
from mintmark.providers.models import Catalog

TODAY = date(2026, 11, 21)
ONE = Catalog.load().known("fal/flux-schnell")


def model(**changes: Any) -> Model:
    """A model whose governance, lifecycle or other fields are these."""
    governance = ONE.governance.model_copy(update=changes.pop("governance", {}))
    lifecycle = ONE.lifecycle.model_copy(update=changes.pop("lifecycle", {}))
    return ONE.model_copy(update={"governance": governance, "lifecycle": lifecycle, **changes})


def fits(one: Model, **wanted: Any) -> bool:
    return chosen([one], Wanted(**wanted), TODAY) == (one,)


@pytest.mark.parametrize(
    ("stated", "asked", "fit"),
    [
        (("eu", "us"), "eu", True),
        (("us-west-2",), "us", True),
        (("us-west-2",), "us-west-2", True),
        (("us",), "us-west-2", False),
        (("eu",), "e", False),
        ((), "eu", False),
    ],
)
def test_a_region_is_one_that_is_stated_or_a_part_of_it(stated: tuple[str, ...], asked: str, fit: bool) -> None:
    assert fits(model(governance={"regions": stated}), region=asked) is fit


@pytest.mark.parametrize(("said", "fit"), [(False, True), (True, False), (None, False)])
def test_who_does_not_say_that_it_does_not_train_may(said: bool | None, fit: bool) -> None:
    assert fits(model(governance={"trains_on_data": said}), trains_on_data=False) is fit


@pytest.mark.parametrize(("kept", "fit"), [(0, True), (30, True), (31, False), (None, False)])
def test_retention_is_the_longest_that_is_stated(kept: float | None, fit: bool) -> None:
    assert fits(model(governance={"retention_days": kept}), max_retention_days=30) is fit


@pytest.mark.parametrize(("said", "fit"), [(True, True), (False, False), (None, False)])
def test_indemnity_must_be_stated(said: bool | None, fit: bool) -> None:
    assert fits(model(governance={"indemnified": said}), indemnified=True) is fit


def test_a_price_is_held_against_what_one_image_costs_at_most() -> None:
    cost = at_most_microusd(ONE)
    assert cost == 3_000
    assert fits(ONE, max_microusd=cost)
    assert not fits(ONE, max_microusd=cost - 1)
    assert not fits(model(price=None), max_microusd=10**9)
    assert fits(model(price=None))


def test_every_price_that_is_known_can_be_asked_for() -> None:
    unknown = {each.name for each in Catalog.load().list(today=TODAY) if at_most_microusd(each) is None}
    assert unknown == {each.name for each in Catalog.load().list(today=TODAY) if each.price is None}


@pytest.mark.parametrize(
    ("state", "ends", "today", "found"),
    [
        ("live", None, TODAY, "live"),
        ("legacy", None, TODAY, "legacy"),
        ("live", date(2027, 1, 1), TODAY, "retiring"),
        ("retiring", date(2026, 12, 1), date(2026, 11, 30), "retiring"),
        ("retiring", date(2026, 12, 1), date(2026, 12, 1), "retired"),
        ("retired", date(2026, 1, 1), TODAY, "retired"),
    ],
)
def test_a_state_is_that_of_the_day(state: str, ends: date | None, today: date, found: str) -> None:
    one = model(lifecycle={"state": state, "retires_on": ends})
    assert state_of(one, today) == found
    assert chosen([one], Wanted(states=(found,)), today)  # type: ignore[arg-type]


def test_filters_hold_together() -> None:
    found = chosen(Catalog.load().list(), Wanted(task="edit", provider="bfl", family="open-weight"), TODAY)
    assert found
    assert {(each.provider, each.family) for each in found} == {("bfl", "open-weight")}
    assert all("edit" in each.tasks for each in found)


def test_a_batch_is_had_only_where_the_vendor_offers_one() -> None:
    assert fits(Catalog.load().known("openai/gpt-image-2"), delivery="batch")
    assert not fits(ONE, delivery="batch")
    assert fits(ONE, delivery="now")


def test_by_batch_the_price_of_the_batch_counts() -> None:
    image = Catalog.load().known("openai/gpt-image-2")
    now, later = at_most_microusd(image), at_most_microusd(image, "batch")
    assert now and later and later < now
    assert fits(image, delivery="batch", max_microusd=later)
    assert not fits(image, delivery="now", max_microusd=later)
    assert at_most_microusd(ONE, "batch") is None
