"""The word of warning before a model's end."""

from __future__ import annotations

from datetime import date

import pytest

from mintmark.providers.models import Catalog
from mintmark.providers.retiring import warning_of

MODEL = Catalog.load().known("openai/gpt-image-1.5")


@pytest.mark.parametrize(
    ("today", "said"),
    [
        (date(2026, 10, 31), None),
        (date(2026, 11, 1), "in 30 days"),
        (date(2026, 11, 21), "in 10 days"),
        (date(2026, 11, 30), "tomorrow"),
        (date(2026, 12, 1), None),
        (date(2027, 1, 1), None),
    ],
)
def test_it_comes_thirty_days_before_the_end_and_stops_with_it(today: date, said: str | None) -> None:
    told = warning_of(MODEL, today)
    assert (told is None) == (said is None)
    assert said is None or said in str(told)


def test_it_names_the_day_and_the_replacement() -> None:
    told = str(warning_of(MODEL, date(2026, 11, 21)))
    assert MODEL.name in told
    assert "2026-12-01" in told
    assert str(MODEL.lifecycle.replaced_by) in told


def test_a_model_without_an_end_needs_none() -> None:
    assert warning_of(Catalog.load().known("fal/flux-schnell"), date(2026, 11, 21)) is None
