"""Jobs that say where they may run, and those that a worker refused or failed: they go to another one, or wait."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mintmark.orchestrator.dispatch import ahead
from mintmark.orchestrator.jobs.states import State

from ..house import ServiceHouse, service_house
from .gpu import WORKFLOW, added, draw, gpu, shown, until
from .painters import MODELS, painters
from .test_dispatcher import kinds
from .test_placing import all_over, hired, ordered


async def posted(house: ServiceHouse, job_id: str, *fleet: Any) -> Any:
    """The worker at which the job is, once it is at one."""

    async def is_posted() -> bool:
        return any(job_id in each.posted for each in fleet)

    await until(is_posted)
    return next(each for each in fleet if job_id in each.posted)


async def test_jobs_run_in_their_region_and_with_their_labels_alone(house: ServiceHouse) -> None:
    async with painters(2) as fleet:
        await hired(house, fleet)
        for name, region, labels in (("gpu-0", "eu", ["a100"]), ("gpu-1", "us", ["a100", "fast"])):
            await house.ask("PATCH", f"/v1/workers/{name}", {"region": region, "labels": labels})
        there = await ordered(house, MODELS[:3], region="us")
        here = await ordered(house, MODELS[:3], region="eu", labels=("a100",))
        fast = await ordered(house, MODELS[:2], labels=("a100", "fast"))
        assert {job.worker for job in await all_over(house, there)} == {"gpu-1"}
        assert {job.worker for job in await all_over(house, here)} == {"gpu-0"}
        assert {job.worker for job in await all_over(house, fast)} == {"gpu-1"}


async def test_a_job_for_a_region_without_workers_waits_and_keeps_nobody_waiting(house: ServiceHouse) -> None:
    async with painters(2) as fleet:
        await hired(house, fleet)
        waiting = await house.submit("painting", region="mars")
        [other] = await all_over_but(house, waiting.job_id, await ordered(house, MODELS[:1]))
        assert other.state is State.SUCCEEDED
        status, told = await house.ask("GET", f"/v1/jobs/{waiting.job_id}/why")
        assert (status, told["reason"], told["ahead"]) == (200, "nobody_can", 0)
        assert told["against"]["gpu-0"] == "it is in region unknown, not in mars"
        await house.ask("PATCH", "/v1/workers/gpu-1", {"region": "mars"})
        [ended] = await all_over(house, [waiting])
        assert (ended.state, ended.worker) == (State.SUCCEEDED, "gpu-1")


async def all_over_but(house: ServiceHouse, job_id: str, jobs: list[Any]) -> list[Any]:
    return [await house.ended(job.job_id) for job in jobs if job.job_id != job_id]


async def test_of_one_gpu_worker_too_a_job_wants_what_it_says(house: ServiceHouse) -> None:
    await asyncio.to_thread(house.service.releases.publish, WORKFLOW)
    async with gpu() as comfy:
        await added(house, comfy, "one", region="us")
        waiting = await house.submit("drawing", values={"prompt": "x"}, region="eu")
        other = await house.submit("drawing", values={"prompt": "y"}, region="us")
        await posted(house, other.job_id, comfy)
        assert waiting.job_id not in comfy.posted
        draw(comfy, other.job_id)
        await house.ended(other.job_id)
        await house.ask("PATCH", "/v1/workers/one", {"region": "eu"})
        await posted(house, waiting.job_id, comfy)
        draw(comfy, waiting.job_id)
        assert (await house.ended(waiting.job_id)).state is State.SUCCEEDED


async def test_a_hosted_job_with_a_label_waits_for_a_worker_that_has_it(house: ServiceHouse) -> None:
    waiting = await house.submit(labels=("vpn",))
    plain = await house.run()
    assert plain.state is State.SUCCEEDED
    assert (await house.job(waiting.job_id)).state is State.QUEUED
    assert (await house.ask("POST", f"/v1/jobs/{waiting.job_id}/cancel", {}))[0] == 200


async def test_what_one_worker_refuses_for_its_version_another_runs(house: ServiceHouse) -> None:
    pinned = {**WORKFLOW, "requires": {**WORKFLOW["requires"], "packs": [{"name": "comfyui", "version": ">=0.34"}]}}
    async with gpu() as old, gpu(boot_id="new") as new:
        new.system = {"os": "linux", "comfyui_version": "0.34.1"}
        await asyncio.to_thread(house.service.releases.publish, pinned)
        await added(house, old, "old")
        await added(house, new, "new")

        async def are_surveyed() -> bool:
            told = [await shown(house, name) for name in ("old", "new")]
            return all(each["comfyui_version"] for each in told)

        await until(are_surveyed)
        for _ in range(3):
            job = await house.submit("drawing", values={"prompt": "x"})
            await posted(house, job.job_id, new)
            draw(new, job.job_id)
            assert (await house.ended(job.job_id)).worker == "new"
        assert old.posted == []


async def test_a_job_that_failed_on_a_worker_goes_to_another(house: ServiceHouse) -> None:
    await asyncio.to_thread(house.service.releases.publish, WORKFLOW)
    async with gpu() as first, gpu(boot_id="other") as second:
        await added(house, first, "first")
        await added(house, second, "second")
        job = await house.submit("drawing", values={"prompt": "x"})
        was = await posted(house, job.job_id, first, second)
        other = second if was is first else first
        # It was restarted: what it had is gone, and that is known at once.
        was.health = {**was.health, "boot_id": "again"}
        was.forget(job.job_id)
        await posted(house, job.job_id, other)
        draw(other, job.job_id)
        ended = await house.ended(job.job_id)
        assert (ended.state, ended.attempt) == (State.SUCCEEDED, 2)
        assert await kinds(house, job.job_id) == ["queued", "claimed", "requeued", "claimed", "succeeded"]


async def test_jobs_behind_many_that_nobody_can_run_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "MOST", 8)
    monkeypatch.setattr(ahead, "FURTHER", 8)
    async with painters(2) as fleet, service_house(tmp_path) as house:
        await hired(house, fleet)
        stuck = await ordered(house, [MODELS[0]] * 40, region="mars", priority=50)
        wanted = await ordered(house, MODELS[:3], labels=())
        here = [await house.submit("painting", labels=("here",)) for _ in range(2)]
        await house.ask("PATCH", "/v1/workers/gpu-1", {"labels": ["here"]})
        ended = [await house.ended(job.job_id) for job in [*wanted, *here]]
        assert {job.state for job in ended} == {State.SUCCEEDED}
        assert {job.worker for job in ended[3:]} == {"gpu-1"}
        for job in stuck:
            assert (await house.job(job.job_id)).state is State.QUEUED
            await asyncio.to_thread(house.service.jobs.cancel, job.job_id)


def test_the_api_takes_region_and_labels_and_refuses_what_are_no_words() -> None:
    from pydantic import ValidationError

    from mintmark.orchestrator.api.order_shapes import RunBody

    body = RunBody.model_validate({"region": "eu", "labels": ["a100"]})
    assert (body.region, body.labels) == ("eu", ["a100"])
    for wrong in ({"region": "EU west"}, {"labels": ["no spaces"]}, {"labels": "a"}, {"labels": ["x"] * 33}):
        with pytest.raises(ValidationError):
            RunBody.model_validate(wrong)
