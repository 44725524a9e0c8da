"""For how long jobs are passed over, and whom they are left for."""

from __future__ import annotations

from mintmark.orchestrator.dispatch.passing import COMES_S, NOBODY_S, Passing
from mintmark.orchestrator.placement.values import Choice, Reason


def nobody(reason: Reason) -> dict[str, Choice]:
    return {"job": Choice(worker=None, reason=reason)}


def left(worker: str) -> dict[str, Choice]:
    return {"job": Choice(worker=worker, reason="warm")}


def test_it_counts_from_the_first_time_that_a_job_is_passed_over() -> None:
    passing = Passing()
    passing.note("w", nobody("all_busy"), 1)
    assert passing.over_s("job", 5) == 0
    passing.note("w", nobody("overtaken"), 10)
    passing.note("w", nobody("waits_for_warm"), 12)
    assert passing.over_s("job", 15) == 5


def test_a_worker_hears_once_that_a_job_is_left_for_it() -> None:
    passing = Passing()
    assert passing.note("one", left("two"), 1) == ["two"]
    assert passing.note("one", left("two"), 2) == []
    assert passing.note("two", left("two"), 2) == []
    assert passing.note("one", left("three"), 3) == ["three"]


def test_one_that_does_not_come_is_not_waited_for_until_nobody_else_could() -> None:
    passing = Passing()
    passing.note("one", left("two"), 0)
    passing.note("one", left("two"), COMES_S)
    assert passing.absent("job") == frozenset()
    passing.note("one", left("two"), COMES_S + 0.1)
    assert passing.absent("job") == {"two"}
    passing.note("one", nobody("nobody_can"), COMES_S + 1)
    assert passing.absent("job") == frozenset()


def test_jobs_that_wait_no_longer_are_forgotten() -> None:
    passing = Passing()
    passing.note("one", nobody("overtaken"), 0)
    passing.keep(["job"], [])
    assert passing.over_s("job", 2) == 2
    passing.keep([], [])
    assert passing.over_s("job", 2) == 0


def test_a_kind_that_nobody_can_run_is_hopeless_after_a_while_whichever_job_asks() -> None:
    passing, choice = Passing(), Choice(worker=None, reason="nobody_can")
    assert not passing.is_hopeless("kind", choice, 0)
    assert not passing.is_hopeless("kind", choice, NOBODY_S - 1)
    assert passing.is_hopeless("kind", choice, NOBODY_S)
    passing.keep([], ["kind"])
    assert passing.is_hopeless("kind", choice, NOBODY_S)
    assert not passing.is_hopeless("kind", Choice(worker=None, reason="all_busy"), NOBODY_S)
    assert not passing.is_hopeless("kind", choice, NOBODY_S + 1), "somebody came meanwhile"
    passing.is_hopeless("other", choice, 0)
    passing.keep([], [])
    assert not passing.is_hopeless("other", choice, NOBODY_S)
