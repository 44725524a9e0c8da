from __future__ import annotations

import pytest

from .plan import EXCHANGE_FAULTS, FRAME_FAULTS, Plan, Rule, Thrower, key_of

ALL = Plan((Rule("POST /prompt", {"reset": 0.5, "frame_drop": 1.0}), Rule("*", dict.fromkeys(EXCHANGE_FAULTS, 0.05))))


def throws(seed: int, key: str, count: int = 400) -> list[str | None]:
    thrower = Thrower(seed)
    return [thrower.throw(ALL, key, EXCHANGE_FAULTS).fault for _ in range(count)]


def test_the_same_seed_throws_the_same_and_another_does_not() -> None:
    assert throws(1, "GET /x") == throws(1, "GET /x")
    assert throws(1, "GET /x") != throws(2, "GET /x")


def test_what_befalls_one_path_does_not_depend_on_the_others() -> None:
    thrower = Thrower(1)
    mixed = []
    for _ in range(50):
        thrower.throw(ALL, "GET /other", EXCHANGE_FAULTS)
        mixed.append(thrower.throw(ALL, "GET /x", EXCHANGE_FAULTS).fault)
    assert mixed == throws(1, "GET /x", 50)


def test_chances_are_met_and_every_kind_has_its_turn() -> None:
    found = throws(3, "GET /x", 4000)
    for kind in EXCHANGE_FAULTS:
        assert 0.03 < found.count(kind) / len(found) < 0.07, kind


def test_the_first_rule_that_fits_counts() -> None:
    assert set(throws(1, "POST /prompt")) == {"reset", None}
    assert Thrower(1).throw(ALL, "POST /prompt", FRAME_FAULTS).fault == "frame_drop"
    assert Thrower(1).throw(Plan(), "GET /x", EXCHANGE_FAULTS).fault is None


def test_a_misspelt_fault_and_more_than_certainty_are_refused() -> None:
    with pytest.raises(ValueError, match="no such fault: resett"):
        Rule("*", {"resett": 0.1})
    with pytest.raises(ValueError, match="more than 1"):
        Rule("*", {"reset": 0.6, "close": 0.6})
    Rule("*", {"reset": 0.6, "frame_drop": 0.6})


def test_ids_and_queries_are_no_part_of_a_key() -> None:
    asked = "/api/jobs/5f0c1c52-7a0e-4a2b-9f6e-0a1b2c3d4e5f/cancel?x=1"
    assert key_of("POST", asked) == "POST /api/jobs/{id}/cancel"
