"""Jobs of the lane ``gpu`` on several workers: they go where their models are, and all are run, each once."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from mintmark.clock import utc_now
from mintmark.config import Settings
from mintmark.generation import engine
from mintmark.metering.postgres_ledger import PostgresLedger
from mintmark.orchestrator.dispatch import needs, passing
from mintmark.orchestrator.dispatch.dispatcher import Dispatcher
from mintmark.orchestrator.dispatch.kit import USUAL_S, History
from mintmark.orchestrator.dispatch.news import News
from mintmark.orchestrator.dispatch.placing import Placer
from mintmark.orchestrator.dispatch.worker import Worker
from mintmark.orchestrator.jobs.base import Filter
from mintmark.orchestrator.jobs.job import Job
from mintmark.orchestrator.jobs.states import State
from mintmark.orchestrator.link.client import WorkerLink
from mintmark.tests.metering.postgres import database

from ..house import ServiceHouse, service_house
from .gpu import added, until
from .painters import MODELS, PAINTING, SIZE, Painter, nodes, painters, zipf

WITHIN_S = 120.0


@pytest.fixture(autouse=True)
def a_load_takes_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Far longer than a job, so that jobs which are not overtaken for eight loads are not at all."""
    monkeypatch.setattr(needs, "LOAD_RATE", SIZE / 30)


async def hired(house: ServiceHouse, fleet: list[Painter]) -> None:
    await asyncio.to_thread(house.service.releases.publish, PAINTING)
    for number, each in enumerate(fleet):
        await added(house, each.comfy, f"gpu-{number}")


async def ordered(house: ServiceHouse, models: list[str], **more: Any) -> list[Job]:
    """Jobs that are all there before the first one starts."""
    await asyncio.to_thread(house.service.jobs.pause, paused=True)
    jobs = [await house.submit("painting", values={"model": model}, **more) for model in models]
    await asyncio.to_thread(house.service.jobs.pause, paused=False)
    house.service.news.wake()
    return jobs


async def all_over(house: ServiceHouse, jobs: list[Job]) -> list[Job]:
    async def is_over() -> bool:
        waiting = Filter(states=[State.QUEUED, State.RUNNING])
        return not await asyncio.to_thread(house.service.jobs.find, waiting)

    await until(is_over, WITHIN_S)
    return [await house.job(job.job_id) for job in jobs]


async def loads(folder: Path, models: list[str]) -> int:
    """How many these jobs cause on two workers with two models each, until all are over."""
    async with painters(2) as fleet, service_house(folder) as house:
        await hired(house, fleet)
        ended = await all_over(house, await ordered(house, models))
        assert {(job.state, job.attempt) for job in ended} == {(State.SUCCEEDED, 1)}
        assert sum(len(each.painted) for each in fleet) == len(models)
        return sum(len(each.loads) for each in fleet)


async def test_jobs_go_where_their_models_are_and_cause_at_most_half_the_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = zipf(40)
    placed = await loads(tmp_path / "placed", models)
    monkeypatch.setattr(Placer, "places", lambda *_: False)
    plain = await loads(tmp_path / "plain", models)
    assert len(set(models)) <= placed <= plain / 2


async def test_workers_that_have_each_their_own_models_get_the_jobs_for_those(house: ServiceHouse) -> None:
    """Also where the first of them lacks what is asked for, and where one lacks the workflow's default."""
    async with painters(3) as fleet:
        for painter, those in zip(fleet, (MODELS[:1], MODELS[1:3], MODELS[2:]), strict=True):
            painter.comfy.object_info = nodes(those)
        await hired(house, fleet)
        ended = await all_over(house, await ordered(house, [*MODELS, *MODELS]))
        assert {(job.state, job.attempt) for job in ended} == {(State.SUCCEEDED, 1)}
        assert set(fleet[0].painted) == {MODELS[0]}
        assert {MODELS[1]} <= set(fleet[1].painted) <= set(MODELS[1:3])
        assert set(MODELS[3:]) <= set(fleet[2].painted) <= set(MODELS[2:])


async def test_a_job_waits_for_the_only_worker_that_has_its_model_and_that_is_said(house: ServiceHouse) -> None:
    async with painters(2) as fleet:
        fleet[0].comfy.object_info = nodes(MODELS[:1])
        await hired(house, fleet)
        await house.ask("PATCH", "/v1/workers/gpu-1", {"state": "draining"})
        [job] = await ordered(house, [MODELS[5]])
        _, told = await house.ask("GET", f"/v1/jobs/{job.job_id}/why")
        assert told["against"]["gpu-0"] == f"it has no {MODELS[5]}"
        await house.ask("PATCH", "/v1/workers/gpu-1", {"state": "up"})
        await all_over(house, [job])
        assert (fleet[0].painted, fleet[1].painted) == ([], [MODELS[5]])


async def test_what_runs_and_loads_take_is_learned_from_jobs_as_they_end(house: ServiceHouse) -> None:
    kit = house.service.dispatcher._kit
    loads = kit.loads
    async with painters(2) as fleet:
        await hired(house, fleet)
        assert kit.run_s("painting") == USUAL_S
        await all_over(house, await ordered(house, [MODELS[0]] * 4))
        run_s = loads.run_s("painting")
        assert run_s is not None and 0 < run_s < WITHIN_S
        assert kit.run_s("painting") == run_s, "not what was known when nothing had run"
        for _ in range(3):
            [job] = await all_over(house, await ordered(house, [MODELS[1]]))
            assert loads.left(job.job_id) == 0, "nothing is left to load for a job that is over"


async def test_a_job_whose_model_nobody_has_is_overtaken_within_its_bound_only(
    house: ServiceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "LOAD_RATE", SIZE / 0.02)
    popular, rare = MODELS[0], MODELS[5]
    async with painters(2, slots=1) as fleet:
        await hired(house, fleet)
        await all_over(house, await ordered(house, [popular] * 4))
        jobs = await ordered(house, [popular] * 4 + [rare] + [popular] * 25)
        ended = await all_over(house, jobs)
        assert {job.state for job in ended} == {State.SUCCEEDED}
        [who] = [each for each in fleet if rare in each.painted]
        before = ended[4].started_at
        assert before is not None
        assert sum(job.started_at is not None and job.started_at > before for job in ended) >= 5, "it was not the last"
        assert who.loads.count(rare) == 1


async def test_one_that_gets_no_jobs_is_not_waited_for(house: ServiceHouse) -> None:
    async with painters(2) as fleet:
        await hired(house, fleet)
        [first] = await all_over(house, await ordered(house, [MODELS[1]]))
        assert (await house.ask("PATCH", f"/v1/workers/{first.worker}", {"state": "draining"}))[0] == 200
        [second] = await all_over(house, await ordered(house, [MODELS[1]]))
        assert second.state is State.SUCCEEDED and second.worker != first.worker


async def test_a_job_that_nobody_can_run_fails_with_what_is_missing_and_keeps_nobody_waiting(
    house: ServiceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing, "NOBODY_S", 0.3)
    rare = {**PAINTING["graph"], "3": {"class_type": "Rare", "inputs": {}}}
    workflow = {**PAINTING, "name": "rare", "graph": rare, "requires": {"nodes": ["Draw", "Save", "Rare"]}}
    async with painters(2) as fleet:
        await hired(house, fleet)
        await asyncio.to_thread(house.service.releases.publish, workflow)
        failing = [await house.submit("rare") for _ in range(3)]
        [good] = await all_over(house, await ordered(house, [MODELS[0]]))
        assert good.state is State.SUCCEEDED
        for job in failing:
            ended = await house.job(job.job_id)
            assert ended.failure is not None and ended.failure.code == "worker_refused"
            assert "Rare" in ended.failure.message


async def test_why_a_job_waits_is_told(house: ServiceHouse) -> None:
    async with painters(2) as fleet:
        await hired(house, fleet)
        await asyncio.to_thread(house.service.jobs.pause, paused=True)
        job = await house.submit("painting")
        path = f"/v1/jobs/{job.job_id}/why"
        status, told = await house.ask("GET", path)
        assert (status, told["reason"]) == (200, None) and "paused" in told["text"]
        decided, against, *_ = await house.service.dispatcher.decide(job)
        assert (decided.reason, decided.worker) == ("cold", "gpu-0")
        [runner] = [each.name for each in house.service.workers if each.source == "own"]
        assert against == {runner: "it takes no jobs of the lane gpu"}
        for name in ("gpu-0", "gpu-1"):
            await house.ask("PATCH", f"/v1/workers/{name}", {"state": "draining"})
        await asyncio.to_thread(house.service.jobs.pause, paused=False)
        status, told = await house.ask("GET", path)
        assert (status, told["status"], told["reason"], told["worker"]) == (200, "queued", "nobody_can", None)
        assert told["against"]["gpu-0"] == "it is not up" and "gpu-0: it is not up" in told["text"]
        await house.ask("PATCH", "/v1/workers/gpu-1", {"state": "up"})
        await all_over(house, [job])
        status, told = await house.ask("GET", path)
        assert (told["text"], told["reason"], told["worker"]) == ("It is over: succeeded.", None, "gpu-1")


async def test_hosted_jobs_are_the_runner_s_though_there_are_gpus(house: ServiceHouse) -> None:
    async with painters(2) as fleet:
        await hired(house, fleet)
        [runner] = [each.name for each in house.service.workers if each.source == "own"]
        ended = [await house.run() for _ in range(2)]
        assert {(job.state, job.worker) for job in ended} == {(State.SUCCEEDED, runner)}


@pytest.fixture
async def replicated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ServiceHouse]:
    """A service whose jobs are in PostgreSQL."""
    with database() as url:

        def opened(settings: Settings) -> PostgresLedger:
            return PostgresLedger(url, now=utc_now)

        monkeypatch.setattr(engine, "open_ledger", opened)
        async with service_house(tmp_path) as house:
            yield house


async def test_two_dispatchers_on_one_postgresql_run_each_job_once(replicated: ServiceHouse, tmp_path: Path) -> None:
    house = replicated
    kit = house.service.dispatcher._kit
    async with painters(2) as fleet, AsyncExitStack() as stack:
        await hired(house, fleet)
        lines = [await stack.enter_async_context(WorkerLink(each.comfy.url)) for each in fleet]
        workers = [Worker(f"there-{number}", line) for number, line in enumerate(lines)]
        other = dataclasses.replace(kit, journal_id="another", workers=[], news=News(), history=History())
        neighbour = await stack.enter_async_context(Dispatcher(other, workers, folder=tmp_path / "other"))

        async def is_up() -> bool:
            return all(each.state == "up" for each in neighbour.workers)

        await until(is_up)
        jobs = await ordered(house, zipf(24))
        other.news.wake()
        ended = await all_over(house, jobs)
        posted = [job_id for each in fleet for job_id in each.comfy.posted]
        assert sorted(posted) == sorted(job.job_id for job in jobs)
        assert {(job.state, job.attempt) for job in ended} == {(State.SUCCEEDED, 1)}
        assert {str(job.worker).partition("-")[0] for job in ended} == {"gpu", "there"}
