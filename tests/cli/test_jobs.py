"""``mintmark jobs`` against a running service."""

from __future__ import annotations

from mintmark.tests.contracts.jobs import order

from .conftest import Cli
from .test_worker import Served, served  # noqa: F401 - a fixture


def test_why_a_job_waits_is_told_in_words_or_as_json(cli: Cli, served: Served) -> None:  # noqa: F811
    job = served.service.jobs.accept(order(lane="gpu")).job
    assert "No worker can run it: gpu-1: it is not up." in cli("jobs", "why", job.job_id).out
    found = cli("jobs", "why", job.job_id, "--json").json
    assert (found["status"], found["reason"], found["against"]) == ("queued", "nobody_can", {"gpu-1": "it is not up"})


def test_a_job_that_is_not_there_is_an_error(cli: Cli, served: Served) -> None:  # noqa: F811
    failed = cli("jobs", "why", "0f8fad5b-d9cb-469f-a165-70867728950e")
    assert failed.code == 1 and "no job" in failed.err
