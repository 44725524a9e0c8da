"""How long a job will still take, from how long its like took."""

from __future__ import annotations

import pytest

from mintmark.orchestrator.dispatch.eta import left_s


def test_under_five_runs_nothing_is_told() -> None:
    assert left_s([10.0] * 4, 1.0, 0.5) is None


@pytest.mark.parametrize(("elapsed_s", "fraction", "left"), [(0.0, 0.0, 10.0), (4.0, 0.1, 6.0), (20.0, 0.8, 5.0)])
def test_the_usual_time_counts_until_it_is_over_and_then_how_far_the_job_is(
    elapsed_s: float, fraction: float, left: float
) -> None:
    assert left_s([8.0, 9.0, 10.0, 11.0, 90.0], elapsed_s, fraction) == left


def test_a_job_that_takes_too_long_and_says_nothing_is_not_guessed_at() -> None:
    assert left_s([1.0] * 5, 20.0, 0.0) is None
