"""How fast workers load is learned from what their devices were at work for, and so is how long jobs run without."""

from __future__ import annotations

import pytest

from mintmark.orchestrator.dispatch import needs
from mintmark.orchestrator.dispatch.loads import MEASURABLE_S, Loads

GIB = 2**30


def ran(loads: Loads, seconds: float, *, worker: str = "one", size: int = 0, job_id: str = "job") -> None:
    loads.begins(job_id, worker, "painting", size)
    loads.ended(job_id, seconds)


def test_until_something_is_known_a_load_takes_what_is_assumed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "LOAD_RATE", 2.0 * GIB)
    loads = Loads()
    assert (loads.usual_rate, loads.rate("one"), loads.run_s("painting")) == (2.0 * GIB, 2.0 * GIB, None)


def test_a_worker_is_as_fast_as_it_was_beyond_what_a_run_takes_without_a_load() -> None:
    loads = Loads()
    for seconds in (3.0, 2.0, 50.0):
        ran(loads, seconds)
    assert loads.run_s("painting") == 3.0
    for seconds in (13.0, 8.0, 103.0):
        ran(loads, seconds, size=10 * GIB)
    assert loads.rate("one") == pytest.approx(GIB)
    assert loads.rate("another") == loads.usual_rate == pytest.approx(GIB)
    ran(loads, 5.0, worker="fast", size=10 * GIB)
    assert loads.rate("fast") == pytest.approx(5 * GIB)
    assert loads.rate("another") == pytest.approx(3 * GIB)


def test_what_says_nothing_of_a_load_is_not_learned_from() -> None:
    loads = Loads()
    ran(loads, 9.0, size=GIB)
    assert loads.usual_rate == needs.LOAD_RATE, "nobody knows how long it runs without"
    ran(loads, 2.0)
    ran(loads, 2.0 + MEASURABLE_S / 2, size=GIB)
    ran(loads, 0.0, size=GIB)
    loads.ended("unknown", 99.0)
    assert (loads.usual_rate, loads.run_s("painting")) == (needs.LOAD_RATE, 2.0)


def test_what_a_worker_has_yet_to_load_for_a_job_is_known_until_that_ends() -> None:
    loads = Loads()
    loads.begins("cold", "one", "painting", 3 * GIB)
    loads.begins("warm", "one", "painting", 0)
    assert loads.left("cold") == pytest.approx(3 * GIB / needs.LOAD_RATE)
    assert (loads.left("warm"), loads.left("unknown")) == (0.0, 0.0)
    loads.ended("cold", 9.0)
    assert loads.left("cold") == 0.0


def test_a_job_that_went_elsewhere_is_forgotten() -> None:
    loads = Loads()
    for job_id in ("stays", "goes"):
        loads.begins(job_id, "one", "painting", GIB)
    loads.keep({"stays"})
    assert loads.left("stays") > 0
    assert loads.left("goes") == 0
    loads.ended("goes", 3.0)
    assert loads.usual_rate == needs.LOAD_RATE
