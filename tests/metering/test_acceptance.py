"""What an accepted image cost, and what the last 30 days say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from mintmark.metering.acceptance import Decision, Decisions, accepted_by
from mintmark.metering.ledger import Line, Spend
from mintmark.metering.trailing import since, trailing

NOON = datetime(2026, 11, 3, 12, tzinfo=timezone.utc)


def said(subject: str, accepted: bool = True, images: int = 1, job_id: str = "job", at: datetime = NOON) -> Decision:
    return Decision(subject, job_id, images, accepted, at, "ann")


def call(job_id: str = "job", microusd: int = 1_000, images: int = 1, model: str = "fal/a", **facts: Any) -> Line:
    known = {"call_id": "c", "kind": "settled", "provider": "fal", "request_id": None, "at": NOON}
    account = {"project": "p", "user": "u", "workflow": None}
    return Line(
        **{**known, **account, "job_id": job_id, "microusd": microusd, "images": images, "model": model, **facts}
    )


def spend(key: str, calls: int, images: int, microusd: int, **more: int) -> Spend:
    rest = {"cached": 0, "released": 0, "unknown": 0, "unknown_microusd": 0, **more}
    return Spend(key=key, calls=calls, images=images, microusd=microusd, **rest)


@pytest.fixture
def decisions(tmp_path: Path) -> Iterator[Decisions]:
    opened = Decisions(tmp_path)
    yield opened
    opened.close()


def test_the_later_word_on_a_thing_counts(decisions: Decisions) -> None:
    decisions.put(said("a" * 64, accepted=False))
    decisions.put(said("a" * 64, accepted=True))
    assert decisions.every() == [said("a" * 64)]


def test_a_word_on_a_job_takes_the_place_of_those_on_its_images_and_the_reverse(decisions: Decisions) -> None:
    decisions.put(said("a" * 64))
    decisions.put(said("other", job_id="other"))
    decisions.put(said("job", images=4, accepted=False))
    assert {each.subject for each in decisions.every()} == {"job", "other"}
    decisions.put(said("b" * 64))
    assert {each.subject for each in decisions.every()} == {"b" * 64, "other"}


def test_decisions_are_found_by_day(decisions: Decisions) -> None:
    decisions.put(said("a" * 64))
    day = date(2026, 11, 3)
    assert len(decisions.every(since=day, until=day)) == 1
    assert decisions.every(since=date(2026, 11, 4)) == decisions.every(until=date(2026, 11, 2)) == []


def test_an_accepted_image_costs_all_that_its_job_spent() -> None:
    calls = {"job": [call(microusd=3_000, images=3), call(microusd=1_000, images=1, kind="released")]}
    found = accepted_by("model", [said("x"), said("y", accepted=False), said("z", accepted=False)], calls)
    assert found["fal/a"].each_microusd == 3_000
    assert (found["fal/a"].accepted, found["fal/a"].rejected) == (1, 2)


def test_a_job_of_two_models_gives_each_its_part() -> None:
    calls = {"job": [call(images=1), call(images=3, microusd=9_000, model="local/b")]}
    found = accepted_by("model", [said("job", images=4)], calls)
    assert (found["fal/a"].accepted, found["fal/a"].each_microusd) == (1, 1_000)
    assert (found["local/b"].accepted, found["local/b"].each_microusd) == (3, 3_000)
    assert accepted_by("project", [said("job", images=4)], calls)["p"].each_microusd == 2_500


def test_without_an_accepted_image_there_is_no_price_of_one() -> None:
    (found,) = accepted_by("day", [said("x", accepted=False)], {"job": [call()]}).values()
    assert (found.accepted, found.rejected, found.each_microusd) == (Fraction(0), 1, None)


def test_a_job_that_the_ledger_does_not_have_is_left_out() -> None:
    assert accepted_by("model", [said("x")], {}) == {}


# -- the last 30 days ---------------------------------------------------------------------------------------------


def test_thirty_days_end_today() -> None:
    assert since(date(2026, 11, 30)) == date(2026, 11, 1)


def test_hosted_and_owned_images_are_told_apart_and_cached_ones_are_none() -> None:
    seen = trailing([spend("fal", 12, 40, 120_000, cached=2), spend("local", 10, 20, 20_000)])
    assert (seen.images, seen.microusd, seen.price_microusd) == (40, 120_000, Decimal(3_000))
    assert seen.rate(Decimal(1_200_000)) == 1_200


def test_calls_that_do_not_say_how_many_images_they_made_count_as_one() -> None:
    seen = trailing([spend("fal", 10, 0, 30_000, cached=1, released=2, unknown=3, unknown_microusd=9_000)])
    assert (seen.images, seen.microusd) == (7, 39_000)


def test_where_nothing_was_made_there_is_neither_price_nor_rate() -> None:
    assert trailing([]).price_microusd is None
    assert trailing([]).rate(Decimal(1)) is None
