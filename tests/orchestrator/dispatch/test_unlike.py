"""Whether a job is for some workers of its lane alone."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from mintmark.orchestrator.dispatch import passing
from mintmark.orchestrator.dispatch.unlike import gpus, is_for_some
from mintmark.orchestrator.dispatch.worker import Worker
from mintmark.orchestrator.fleet.capabilities import Capabilities
from mintmark.orchestrator.jobs.queueing import CHOSEN, waits_in
from mintmark.workflows.format import WorkflowVersion

from ..made_jobs import job
from .painters import MODELS, PAINTING, nodes
from .test_worker import telling, worker

NOON = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
ALL, ONE = nodes(MODELS), nodes(MODELS[:1])


def for_some(workers: list[Worker], *, lane: str = "hosted", model: str = MODELS[5], **changes: Any) -> bool:
    ordered = job(NOON, lane=lane, values={"model": model}).ordered
    return is_for_some(ordered, WorkflowVersion.model_validate({**PAINTING, **changes}), workers)


def test_a_job_is_where_one_that_takes_hosted_jobs_lacks_a_node_or_a_choice() -> None:
    all_of_it, some = telling(ALL, "runner"), telling(ONE, "runner")
    assert for_some([all_of_it, some])
    assert not for_some([all_of_it, some], model=MODELS[0])
    assert not for_some([all_of_it, telling(ALL, "runner")])
    assert for_some([telling({"Save": {}}, "runner"), telling(ALL)])


def test_such_a_job_waits_among_those_that_are_placed() -> None:
    hosted = job(NOON).ordered
    assert waits_in(hosted) == "hosted"
    for why in ({"placed": True}, {"labels": ("a",)}, {"region": "eu"}):
        assert waits_in(hosted.model_copy(update=why)) == CHOSEN


def test_one_alone_has_it_and_who_has_told_nothing_is_no_reason() -> None:
    assert not for_some([telling(ONE, "runner")])
    assert not for_some([telling(ALL, "runner"), worker("runner"), worker("runner", up=False)])


def test_a_gpu_counts_where_it_takes_hosted_jobs_as_they_come_and_jobs_for_gpus_are_placed_anyway() -> None:
    runner, lacking = telling(ALL, "runner"), telling(ONE)
    assert for_some([runner, lacking])
    assert not for_some([runner, lacking, telling(ONE)]), "hosted jobs are the runners'"
    assert not for_some([lacking, telling(ALL)], lane="gpu")


def test_a_version_that_one_does_not_have_is_a_reason_too() -> None:
    requires = {**PAINTING["requires"], "packs": [{"name": "comfyui", "version": ">=0.34"}]}
    old, new = telling(ALL), telling(ALL, "runner")
    old.capabilities = Capabilities(boot_id="b", asked_at=0.0, comfyui_version="0.33.0")
    assert for_some([old, new], requires=requires) and not for_some([old, new])


def test_those_may_be_gpus_that_have_not_said_what_they_are_but_for_own_runners(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    untold, own, its = worker(), worker("runner", shared=True), worker()
    untold.health = own.health = None
    assert list(gpus([untold, own, worker("runner"), its])) == [untold, its]
    monkeypatch.setattr(passing, "UNTOLD_S", 0.0)
    assert list(gpus([untold, its])) == [its]
