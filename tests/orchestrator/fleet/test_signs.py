"""What jobs tell of their worker: memory, disk, slowness, deafness; each at its bound and not before."""

from __future__ import annotations

from mintmark.orchestrator.fleet.bounds import DEAF_IN_A_ROW, HISTORY_LEAST, MEMORY_IN_A_ROW, SLOW_IN_A_ROW
from mintmark.orchestrator.fleet.signs import Signs, kind_of


def test_so_many_jobs_in_a_row_without_memory_are_the_worker_s_fault() -> None:
    signs = Signs()
    told = [signs.failed(f"job-{number}", "memory") for number in range(MEMORY_IN_A_ROW)]
    assert told == [None] * (MEMORY_IN_A_ROW - 1) + ["memory"]


def test_one_job_that_fails_again_and_again_is_the_job_s_fault() -> None:
    signs = Signs()
    assert {signs.failed("job", "memory") for _ in range(3 * MEMORY_IN_A_ROW)} == {None}


def test_a_job_that_succeeds_between_shows_that_there_is_memory() -> None:
    signs = Signs()
    for number in range(3 * MEMORY_IN_A_ROW):
        assert signs.failed(f"job-{number}", "memory") is None
        signs.succeeded("kind", 1.0)


def test_one_that_only_waited_for_its_provider_shows_nothing_of_memory() -> None:
    signs = Signs()
    told = []
    for number in range(MEMORY_IN_A_ROW):
        told.append(signs.failed(f"job-{number}", "memory"))
        signs.succeeded(None, 0)
    assert told[-1] == "memory"


def test_a_full_disk_is_enough_once_and_other_failures_are_nothing() -> None:
    signs = Signs()
    assert signs.failed("job", None) is None
    assert signs.failed("job", "disk") == "disk"


def history(signs: Signs, kind: str = "k", seconds: float = 2.0, runs: int = HISTORY_LEAST) -> None:
    for _ in range(runs):
        assert signs.succeeded(kind, seconds) is None


def test_so_many_slow_jobs_in_a_row_are_the_worker_s_fault() -> None:
    signs = Signs()
    history(signs)
    told = [signs.succeeded("k", 20.0) for _ in range(SLOW_IN_A_ROW)]
    assert told == [None] * (SLOW_IN_A_ROW - 1) + ["slow"]
    # From now on that is what is usual: it must not stay away for ever.
    history(signs, seconds=20.0, runs=3 * HISTORY_LEAST)


def test_one_that_takes_as_long_as_before_between_shows_that_it_is_not_slow() -> None:
    signs = Signs()
    history(signs)
    for _ in range(4):
        assert {signs.succeeded("k", 20.0) for _ in range(SLOW_IN_A_ROW - 1)} == {None}
        history(signs, runs=1)


def test_without_a_history_of_its_kind_nothing_is_slow() -> None:
    signs = Signs()
    history(signs, "other")
    assert {signs.succeeded("k", 1000.0) for _ in range(HISTORY_LEAST)} == {None}


def test_what_is_over_in_a_moment_is_not_slow() -> None:
    signs = Signs()
    history(signs, seconds=0.1)
    assert {signs.succeeded("k", 2.0) for _ in range(20)} == {None}


def test_more_steps_and_larger_pictures_are_of_another_kind() -> None:
    def graph(steps: int, prompt: str = "a fox") -> dict[str, object]:
        return {"3": {"class_type": "KSampler", "inputs": {"steps": steps, "text": prompt, "model": ["1", 0]}}}

    assert kind_of("d", graph(20)) == kind_of("d", graph(20, "a hen"))  # type: ignore[arg-type]
    assert kind_of("d", graph(20)) != kind_of("d", graph(50))  # type: ignore[arg-type]
    assert kind_of("d", graph(20)) != kind_of("e", graph(20))  # type: ignore[arg-type]


def test_a_socket_is_deaf_after_so_many_prompts() -> None:
    assert [Signs().listened(times) for times in (0, DEAF_IN_A_ROW - 1, DEAF_IN_A_ROW)] == [None, None, "deaf"]
