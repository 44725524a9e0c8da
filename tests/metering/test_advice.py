"""Rent or own, and from whom: the four scenarios of the book chapter, and what each rule is for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.errors import InvalidInput
from mintmark.metering.advice import Answer, Situation, advise, rules

CROSSOVER = 71_428.57


def test_a_hospital_whose_text_must_not_leave_hosts_itself_however_few_images_it_makes() -> None:
    hospital = Situation(images_low=200, images_high=2_000, residency="must stay")
    advice = advise(hospital, CROSSOVER)
    assert (advice.answer, advice.axis) == ("self-host", "residency")
    assert "must not leave your network" in advice.reasons[0]


@pytest.mark.parametrize("crossover", [CROSSOVER, None])
def test_a_hobby_app_of_100_to_100000_images_rents_open_weights(crossover: float | None) -> None:
    advice = advise(Situation(images_low=100, images_high=100_000), crossover)
    assert (advice.answer, advice.axis) == ("open-weight", "volume" if crossover else "operations")
    assert advice.switching_cost.startswith("Low")


def test_a_volume_that_nobody_knows_rents_open_weights() -> None:
    advice = advise(Situation(), CROSSOVER)
    assert (advice.answer, advice.axis) == ("open-weight", "volume")


def test_a_film_studios_hero_shots_take_the_closed_flagship() -> None:
    studio = Situation(images_low=10, images_high=200, quality="best")
    advice = advise(studio, CROSSOVER)
    assert (advice.answer, advice.axis) == ("closed", "quality")
    assert advice.switching_cost.startswith("High")


def test_a_marketing_platform_with_a_brand_lora_at_millions_a_month_owns() -> None:
    platform = Situation(images_low=2_000_000, images_high=6_000_000, needs=("lora",))
    advice = advise(platform, CROSSOVER)
    assert (advice.answer, advice.axis) == ("self-host", "volume")
    assert any("LoRA" in reason for reason in advice.reasons)


def test_a_lora_at_low_volume_rents_open_weights() -> None:
    advice = advise(Situation(images_low=10, images_high=500, needs=("lora",)), CROSSOVER)
    assert advice.answer == "open-weight"
    assert any("Closed models take no LoRA" in reason for reason in advice.reasons)


@pytest.mark.parametrize(
    ("wishes", "answer", "axis"),
    [
        ({"needs": ("latents",)}, "self-host", "control"),
        ({"licensing": "indemnified"}, "closed", "licensing"),
        ({"quality": "best", "images_low": 10**7, "images_high": 10**7}, "closed", "quality"),
    ],
)
def test_one_wish_can_decide(wishes: dict[str, Any], answer: Answer, axis: str) -> None:
    advice = advise(Situation(**wishes), CROSSOVER)
    assert (advice.answer, advice.axis) == (answer, axis)


def test_wishes_that_exclude_each_other_are_named() -> None:
    with pytest.raises(InvalidInput) as refused:
        advise(Situation(residency="must stay", licensing="indemnified"))
    assert "residency" in refused.value.message
    assert "licensing" in refused.value.message


def test_a_range_the_wrong_way_round_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match=r"^images: 5 is more than 3"):
        advise(Situation(images_low=5, images_high=3))


def test_every_rule_does_something_and_some_situation_meets_it() -> None:
    assert all(rule.excludes or (rule.favours and rule.weight) for rule in rules())
    assert all(len(rule.reason.split()) > 8 for rule in rules())


situations = st.builds(
    Situation,
    residency=st.sampled_from(["may leave", "must stay"]),
    needs=st.lists(st.sampled_from(["lora", "controlnet", "latents", "pinned version"]), unique=True).map(tuple),
    quality=st.sampled_from(["good", "best"]),
    licensing=st.sampled_from(["any", "commercial", "indemnified"]),
    images_low=st.integers(0, 10**6),
    images_high=st.integers(10**6, 10**7),
)


@given(situations, st.none() | st.floats(1, 10**7))
def test_there_is_always_an_answer_with_reasons_or_the_wishes_that_clash(
    situation: Situation, crossover: float | None
) -> None:
    clash = ""
    try:
        advice = advise(situation, crossover)
    except InvalidInput as refused:
        clash = refused.message
    else:
        assert advice.reasons
        assert advice.revisit
        assert situation.residency == "may leave" or advice.answer == "self-host"
    assert ("No way" in clash) == bool(clash)
