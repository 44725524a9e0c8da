"""What a worker takes: the lanes of its kind, what goes on in its journal, and what needs the most memory there is."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from mintmark.generation.context import Device, WorkerHealth
from mintmark.orchestrator.dispatch import passing
from mintmark.orchestrator.dispatch.fitness import Fitness
from mintmark.orchestrator.dispatch.needs import choices_of, needs_of
from mintmark.orchestrator.dispatch.worker import Worker
from mintmark.orchestrator.fleet.entries import Entry
from mintmark.orchestrator.link.client import WorkerLink
from mintmark.workflows.format import WorkflowVersion

from ..made_jobs import job
from .painters import MODELS, PAINTING, nodes

GIB = 1024**3
NOON = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)


def worker(kind: str = "comfyui", *, gib: int | None = None, shared: bool = False, up: bool = True) -> Worker:
    made = Worker("w", WorkerLink("http://127.0.0.1:9"), shared=shared)
    devices = () if gib is None else (Device(name="a", type="cuda", vram_total=gib * GIB),)
    made.health = WorkerHealth(
        boot_id="b", kind=kind, pack_version="1", mode="sandbox", policy="p", providers=(), prompt_thread_alive=True,
        devices=devices,
    )  # fmt: skip
    made.state = "up" if up else "down"
    return made


def test_one_that_has_not_said_what_it_is_takes_nothing() -> None:
    assert Worker("w", WorkerLink("http://127.0.0.1:9"), shared=True).claims([]) == ()


def test_what_is_tied_to_a_journal_goes_to_those_that_share_it() -> None:
    own, far = worker("runner", shared=True), worker("runner")
    assert (own.claims([own, far]), far.claims([own, far])) == (("hosted", "own"), ("hosted",))


def test_what_was_too_large_for_one_goes_to_the_largest_that_is_there() -> None:
    small, middle, large = worker(gib=8), worker(gib=24), worker(gib=80)
    fleet = [small, middle, large]
    assert ["large" in each.claims(fleet) for each in fleet] == [False, False, True]
    large.state = "down"
    assert ["large" in each.claims(fleet) for each in (small, middle)] == [False, True]
    assert (small.smaller(fleet), middle.smaller(fleet)) == (True, False)


def test_one_that_does_not_tell_its_memory_is_not_the_largest() -> None:
    assert worker().claims([]) == ("gpu", "hosted")


def telling(info: dict[str, Any], kind: str = "comfyui") -> Worker:
    made = worker(kind)
    made.object_info, made.fitness, made.choices = info, Fitness(info), choices_of(info)
    return made


def might(it: Worker, model: str = MODELS[1], **ordered: Any) -> bool:
    asked = job(datetime(2026, 5, 1, tzinfo=timezone.utc), lane="gpu", values={"model": model}, **ordered).ordered
    needs = needs_of(WorkflowVersion.model_validate(PAINTING), asked.values)
    return it.might_run(asked, needs, needs.files & frozenset(MODELS))


@pytest.mark.parametrize("state", ["starting", "up", "down"])
def test_however_it_stands_a_worker_might_run_what_its_nodes_do(state: Any) -> None:
    having, lacking, untold = telling(nodes(MODELS)), telling(nodes(MODELS[:1])), worker()
    for each in (having, lacking, untold):
        each.state = state
        each.care.standing.draining = True
    assert (might(having), might(lacking), might(untold)) == (True, False, True)
    assert not might(telling({"Save": nodes([])["Save"]}))


def test_one_that_may_not_be_used_or_stands_elsewhere_or_is_of_another_lane_runs_nothing() -> None:
    assert not might(telling(nodes(MODELS)), region="eu")
    assert not might(telling(nodes(MODELS), kind="runner"))
    refused = telling(nodes(MODELS))
    refused.state = "refused"
    assert not might(refused)


def entry(**more: Any) -> Entry:
    return Entry(name="w", url="u", added_at=NOON, added_by="x", **more)


def test_one_that_never_told_what_it_has_is_silent_after_a_while_and_might_run_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    untold, told, known, own = worker(), worker(), worker(), worker(shared=True)
    told._boot_id = "b"
    known.obey(entry(told_at=NOON))
    untold.obey(entry())
    every = (untold, told, known, own)
    assert not any(each.is_silent for each in every) and all(map(might, every))
    monkeypatch.setattr(passing, "UNTOLD_S", 0.0)
    assert [each.is_silent for each in every] == [True, False, False, False]
    assert [might(each) for each in every] == [False, True, True, True]


def test_the_registry_is_to_hear_once_who_told_what_it_has() -> None:
    added, named = (Worker("w", WorkerLink("http://127.0.0.1:9"), source=source) for source in ("added", "settings"))
    assert (added.told_news, named.told_news) == (False, False)
    for each in (added, named):
        each._boot_id = "b"
    assert (added.told_news, named.told_news) == (False, True), "one that was removed is not put back"
    added.obey(entry())
    assert added.told_news
    for each in (added, named):
        each.obey(entry(told_at=NOON))
        assert not each.told_news


def test_a_runner_with_a_device_that_is_there_samples() -> None:
    assert worker("runner", gib=8).samples
    on_cpu = worker("runner", gib=8)
    assert on_cpu.health is not None
    on_cpu.health = on_cpu.health.model_copy(update={"devices": (Device(name="cpu", type="cpu"),)})
    others = (on_cpu, worker("runner"), worker("runner", gib=8, up=False), worker("comfyui", gib=8))
    assert not any(each.samples for each in others)


def test_one_that_gets_no_jobs_is_away() -> None:
    drained, up = worker(), worker()
    drained.care.standing.draining = True
    assert (drained.is_away, up.is_away, worker(up=False).is_away) == (True, False, True)
