"""Whether a worker runs a job with just its values: asked of its nodes, once for what is alike."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from mintmark.errors import WorkerRefused
from mintmark.orchestrator.dispatch import fitness
from mintmark.orchestrator.dispatch.fitness import Fitness
from mintmark.orchestrator.dispatch.needs import Needs, needs_of
from mintmark.orchestrator.jobs.job import Ordered
from mintmark.workflows.format import WorkflowVersion

from ..made_jobs import job
from .painters import MODELS, PAINTING, nodes

NOON = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
WORKFLOW = WorkflowVersion.model_validate(PAINTING)


def asked(**values: Any) -> tuple[Needs, Ordered]:
    return needs_of(WORKFLOW, values), job(NOON, lane="gpu", values=values).ordered


def test_a_worker_runs_what_its_nodes_let_choose() -> None:
    its = Fitness(nodes(MODELS[:2]))
    assert its.against(*asked(model=MODELS[1])) == ""
    assert MODELS[5] in its.against(*asked(model=MODELS[5]))
    assert "Draw" in Fitness({"Save": {}}).against(*asked())


def test_one_that_was_not_asked_for_its_nodes_may_run_anything_and_so_may_a_workflow_that_is_not_known() -> None:
    assert Fitness().against(*asked(model="none")) == ""
    assert Fitness(nodes([])).against(Needs(), asked()[1]) == ""


def test_what_was_found_not_to_fit_is_told_by_its_shape() -> None:
    its = Fitness(nodes(MODELS[:1]))
    unfit = its.unfit
    needs, ordered = asked(model=MODELS[5])
    its.against(needs, ordered)
    its.against(*asked(model=MODELS[0]))
    assert list(unfit) == [needs.shape] and unfit[needs.shape].startswith("it refuses the job: ")


def test_what_is_alike_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    its = Fitness(nodes(MODELS))
    its.against(*asked(model=MODELS[1]))
    monkeypatch.setattr(its.fits, "fitted", lambda *about, **more: pytest.fail("asked again"))
    assert its.against(*asked(model=MODELS[1])) == ""


def test_what_the_worker_refused_itself_it_does_not_get_again() -> None:
    its = Fitness(nodes(MODELS))
    needs, ordered = asked(model=MODELS[1])
    assert its.against(needs, ordered) == ""
    its.refused(needs.shape, WorkerRefused("It lacks a node." * 99))
    assert its.against(needs, ordered).startswith("it refuses the job: It lacks a node.")
    assert len(its.against(needs, ordered)) <= fitness.LONGEST


def test_so_it_is_with_one_that_tells_of_no_nodes_at_all() -> None:
    its = Fitness({})
    needs, ordered = asked()
    its.refused(needs.shape, WorkerRefused("It lacks Draw."))
    assert its.against(needs, ordered) == "it refuses the job: It lacks Draw."


def test_what_is_remembered_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitness, "MOST", 2)
    its = Fitness(nodes([]))
    for model in MODELS[:5]:
        its.against(*asked(model=model))
    assert list(its.unfit) == [asked(model=model)[0].shape for model in MODELS[3:5]]
