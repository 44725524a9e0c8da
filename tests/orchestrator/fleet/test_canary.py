"""A changed worker that is tried with a part of the jobs."""

from __future__ import annotations

import pytest

from mintmark.orchestrator.fleet.canary import ENOUGH, FEWEST_FAILED, Trial


@pytest.mark.parametrize("percent", [1, 10, 50, 100])
def test_it_gets_its_share_from_the_first_job_on_and_no_more(percent: int) -> None:
    trial, here = Trial(percent), 0
    for number in range(1, 1001):
        mine = trial.allows()
        trial.began(here=mine)
        here += mine
        assert here * 100 <= percent * number + 100
    assert here == percent * 10


def ran(trial: Trial, *, here: bool, well: int, failed: int) -> Trial:
    for outcome in [True] * well + [False] * failed:
        trial.ended(here=here, well=outcome)
    return trial


def test_one_that_fails_more_than_the_others_has_failed() -> None:
    trial = ran(Trial(10), here=False, well=95, failed=5)
    assert ran(trial, here=True, well=4, failed=FEWEST_FAILED - 1).verdict is None
    assert ran(trial, here=True, well=0, failed=1).verdict == "failed"
    assert str(trial) == "3 of 7 jobs failed there, 5 of 100 elsewhere"


def test_one_that_fails_as_the_others_do_passes_once_enough_ended() -> None:
    trial = ran(Trial(10), here=False, well=50, failed=50)
    assert ran(trial, here=True, well=10, failed=ENOUGH - 11).verdict is None
    assert ran(trial, here=True, well=1, failed=0).verdict == "passed"


def test_a_few_failures_of_jobs_are_not_taken_for_the_worker_s() -> None:
    assert ran(Trial(100), here=True, well=ENOUGH - 2, failed=2).verdict == "passed"
