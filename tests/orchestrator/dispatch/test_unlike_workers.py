"""Workers that are not alike: what one of them cannot run goes to another, or waits for it."""

from __future__ import annotations

import asyncio
import copy
import json
from pathlib import Path
from typing import Any

import pytest

from mintmark.orchestrator.dispatch import passing
from mintmark.orchestrator.jobs.job import Job
from mintmark.orchestrator.jobs.states import State

from ..house import ServiceHouse, service_house
from .gpu import NODES, added, draw, gpu, until
from .painters import MODELS, PAINTING, SIZE, nodes, painters
from .test_chosen import posted
from .test_dispatcher import kinds
from .test_placing import all_over, hired, ordered

STRAIGHT = ("queued", "claimed", "succeeded")
SAMPLER = {
    "name": "sampler",
    "title": "Sampler",
    "type": "choice",
    "default": "euler",
    "choices_from": {"node": "1", "input": "sampler"},
    "binds": [{"node": "1", "input": "sampler"}],
}


async def asked(house: ServiceHouse, workflow: str, **inputs: Any) -> Job:
    """A job that is ordered as callers do."""
    status, body = await house.ask("POST", f"/v1/workflows/{workflow}/runs", {"inputs": inputs})
    assert status == 202, body
    return await house.job(body["job_id"])


async def released(house: ServiceHouse, **changes: Any) -> None:
    await asyncio.to_thread(house.service.releases.publish, {**copy.deepcopy(PAINTING), **changes})


async def test_a_file_of_the_same_name_in_another_folder_is_another_file(house: ServiceHouse) -> None:
    async with painters(2) as fleet:
        fleet[0].comfy.object_info = nodes(["sdxl/" + MODELS[0]])
        fleet[1].comfy.object_info = nodes([MODELS[0]])
        await hired(house, fleet)
        for _ in range(3):
            ended = await house.ended((await asked(house, "painting", model=MODELS[0])).job_id)
            assert (ended.state, ended.worker, ended.attempt) == (State.SUCCEEDED, "gpu-1", 1)
        assert fleet[0].painted == []


async def test_a_choice_that_is_no_file_is_run_by_the_worker_that_offers_it(house: ServiceHouse) -> None:
    graph = copy.deepcopy(PAINTING["graph"])
    graph["1"]["inputs"]["sampler"] = "euler"
    async with painters(2) as fleet:
        for each, samplers in zip(fleet, (["euler"], ["euler", "new"]), strict=True):
            info = copy.deepcopy(nodes(MODELS))
            info["Draw"]["input"]["required"]["sampler"] = [samplers, {}]
            each.comfy.object_info = info
        await hired(house, fleet)
        await released(house, name="sampling", inputs=[*PAINTING["inputs"], SAMPLER], graph=graph)
        jobs = [await asked(house, "sampling", sampler="new", model=model) for model in MODELS[:4]]
        ended = await all_over(house, jobs)
        assert {(job.state, job.worker, job.attempt) for job in ended} == {(State.SUCCEEDED, "gpu-1", 1)}
        # Asked of jobs that wait, it is known without trying them.
        await house.ask("PATCH", "/v1/workers/gpu-1", {"state": "draining"})
        waiting = await house.submit("sampling", values={"sampler": "new", "model": MODELS[5]})
        _, told = await house.ask("GET", f"/v1/jobs/{waiting.job_id}/why")
        assert "'new' is none of" in told["against"]["gpu-0"]
        assert told["text"].endswith("It waits for gpu-1, where it may run once that worker gets jobs.")
        await house.ask("PATCH", "/v1/workers/gpu-1", {"state": "up"})
        [done] = await all_over(house, [waiting])
        assert (done.state, done.worker) == (State.SUCCEEDED, "gpu-1")


@pytest.mark.parametrize("count", [1, 2])
async def test_a_hosted_job_whose_nodes_the_runner_lacks_goes_straight_to_a_comfyui(
    house: ServiceHouse, count: int
) -> None:
    async with painters(count) as fleet:
        await hired(house, fleet)
        await released(house, name="hosted-painting", lane="hosted")
        jobs = [await asked(house, "hosted-painting") for _ in range(6)]
        ended = [await house.ended(job.job_id) for job in jobs]
        assert all(job.worker in ("gpu-0", "gpu-1") for job in ended)
        assert {tuple(await kinds(house, job.job_id)) for job in ended} == {STRAIGHT}


async def test_so_does_one_of_a_batch(house: ServiceHouse) -> None:
    async with painters(1) as fleet:
        await hired(house, fleet)
        await released(house, name="hosted-painting", lane="hosted")
        headers = {"Content-Type": "application/x-ndjson"}
        async with house.session.post(
            f"{house.url}/v1/batches", data='{"workflow": "hosted-painting"}', headers=headers
        ) as reply:
            ended = await house.ended(json.loads(await reply.text())["job_id"])
        assert (ended.worker, tuple(await kinds(house, ended.job_id))) == ("gpu-0", STRAIGHT)


async def test_one_that_was_ordered_when_that_was_not_known_is_refused_once_and_no_more(house: ServiceHouse) -> None:
    async with painters(1) as fleet:
        await hired(house, fleet)
        await released(house, name="hosted-painting", lane="hosted")
        for _ in range(3):
            ended = await house.run("hosted-painting")
            assert (ended.state, ended.worker, ended.attempt) == (State.SUCCEEDED, "gpu-0", 1)
            assert (await kinds(house, ended.job_id)).count("requeued") <= 1, "nobody gets again what it refused"


async def test_a_choice_that_one_of_the_runners_offers_is_run_by_that_one(house: ServiceHouse) -> None:
    graph = copy.deepcopy(PAINTING["graph"])
    graph["1"]["inputs"]["sampler"] = "euler"
    async with gpu(kind="runner", boot_id="a") as old, gpu(kind="runner", boot_id="b") as new:
        for each, samplers in ((old, ["euler"]), (new, ["euler", "new"])):
            each.object_info = copy.deepcopy(nodes(MODELS))
            each.object_info["Draw"]["input"]["required"]["sampler"] = [samplers, {}]
        await added(house, old, "old")
        await added(house, new, "new")
        await released(house, name="sampling", lane="hosted", inputs=[SAMPLER], graph=graph)
        jobs = [await asked(house, "sampling", sampler="new") for _ in range(3)]
        for job in jobs:
            assert await posted(house, job.job_id, old, new) is new
            draw(new, job.job_id)
            ended = await house.ended(job.job_id)
            assert (ended.worker, tuple(await kinds(house, job.job_id))) == ("new", STRAIGHT)


async def test_what_a_comfyui_lacks_and_the_runner_has_is_not_for_the_comfyui(house: ServiceHouse) -> None:
    """Nor is a job placed that all run who take it as it comes."""
    assert not (await asked(house, "text-to-image", prompt="x")).ordered.placed
    async with painters(1) as fleet:
        await hired(house, fleet)
        jobs = [await asked(house, "text-to-image", prompt="x", width=256, height=256) for _ in range(4)]
        assert {job.ordered.placed for job in jobs} == {True}
        ended = [await house.ended(job.job_id) for job in jobs]
        assert {tuple(await kinds(house, job.job_id)) for job in ended} == {STRAIGHT}
        assert {job.state for job in ended} == {State.SUCCEEDED}
        async with painters(1) as more:
            await added(house, more[0].comfy, "gpu-1")
            # Hosted jobs are the runners' now.
            assert not (await asked(house, "text-to-image", prompt="x")).ordered.placed


async def test_a_gpu_workflow_is_run_by_a_runner_that_has_a_device_and_its_nodes(house: ServiceHouse) -> None:
    device = {"name": "a", "type": "cuda", "vram_total": SIZE}
    async with gpu(kind="runner", boot_id="r", devices=[device]) as runner:
        runner.object_info = nodes(MODELS[:2])
        await added(house, runner, "my-runner")
        await released(house)
        job = await asked(house, "painting", model=MODELS[1])
        assert (job.ordered.lane, job.ordered.placed) == ("hosted", True)
        await posted(house, job.job_id, runner)
        draw(runner, job.job_id)
        ended = await house.ended(job.job_id)
        assert (ended.worker, tuple(await kinds(house, job.job_id))) == ("my-runner", STRAIGHT)
        async with painters(1) as fleet:
            fleet[0].comfy.object_info = nodes(MODELS[:1])
            await added(house, fleet[0].comfy, "gpu-0")
            both, alone = [await asked(house, "painting", model=model) for model in MODELS[:2]]
            assert (both.ordered.lane, alone.ordered.lane) == ("gpu", "hosted")
            assert (await house.ended(both.job_id)).worker == "gpu-0"
            await posted(house, alone.job_id, runner)
            status, body = await house.ask("POST", "/v1/workflows/painting/runs", {"inputs": {"model": MODELS[5]}})
            assert (status, body["code"]) == (422, "invalid_input")


async def test_a_runner_without_a_device_takes_no_gpu_workflow(house: ServiceHouse) -> None:
    async with gpu(kind="runner", boot_id="r", devices=[{"name": "cpu", "type": "cpu", "vram_total": SIZE}]) as runner:
        runner.object_info = nodes(MODELS)
        await added(house, runner, "my-runner")
        await released(house)
        assert (await asked(house, "painting")).ordered.lane == "gpu"


async def test_a_checkpoint_that_a_runner_alone_has_is_sampled_there(house: ServiceHouse) -> None:
    def info(models: list[str]) -> dict[str, Any]:
        asks = {"required": {"prompt": ["STRING", {}], "model": [models, {}]}}
        return {**NODES, "MintmarkTextToImage": {"input": asks, "output": ["IMAGE"]}}

    binds = [{"node": "1", "input": "model"}]
    model = {**PAINTING["inputs"][0], "default": "fal/flux", "choices_from": binds[0], "binds": binds}
    graph = {
        "1": {"class_type": "MintmarkTextToImage", "inputs": {"prompt": "x", "model": "fal/flux"}},
        "2": PAINTING["graph"]["2"],
    }
    async with gpu(kind="runner", boot_id="r") as runner, gpu(boot_id="g") as comfy:
        runner.object_info, comfy.object_info = info(["local/mine", "local/both"]), info(["fal/flux", "local/both"])
        await added(house, runner, "my-runner")
        await added(house, comfy, "gpu-0")
        requires = {"nodes": ["MintmarkTextToImage", "Save"]}
        await released(house, name="either", lane="hosted", inputs=[model], graph=graph, requires=requires)
        mine, both = [await asked(house, "either", model=f"local/{name}") for name in ("mine", "both")]
        assert (mine.ordered.lane, both.ordered.lane) == ("hosted", "gpu")

        async def are_there() -> bool:
            return [(await house.job(job.job_id)).worker for job in (mine, both)] == ["my-runner", "gpu-0"]

        await until(are_there)


async def test_after_a_restart_a_job_waits_for_the_worker_that_has_its_model(tmp_path: Path) -> None:
    """Though all others answer before that one."""
    async with painters(2) as fleet:
        fleet[0].comfy.object_info = nodes(MODELS[:1])
        async with service_house(tmp_path) as house:
            await hired(house, fleet)
            await asyncio.to_thread(house.service.jobs.pause, paused=True)
            jobs = [await house.submit("painting", values={"model": MODELS[5]}) for _ in range(3)]
        is_well, fleet[1].comfy.health = fleet[1].comfy.health, None
        async with service_house(tmp_path) as house:

            async def is_up() -> bool:
                return any(each.name == "gpu-0" and each.state == "up" for each in house.service.workers)

            await until(is_up)
            await asyncio.to_thread(house.service.jobs.pause, paused=False)
            other = await house.submit("painting", values={"model": MODELS[0]})
            assert (await house.ended(other.job_id)).worker == "gpu-0"
            await asyncio.sleep(1.0)
            assert {(await house.job(job.job_id)).state for job in jobs} == {State.QUEUED}
            fleet[1].comfy.health = is_well
            ended = await all_over(house, jobs)
            assert {(job.state, job.worker, job.attempt) for job in ended} == {(State.SUCCEEDED, "gpu-1", 1)}


async def test_a_worker_that_never_answers_keeps_nobody_from_running_what_others_can(house: ServiceHouse) -> None:
    async with gpu() as gone:
        pass
    async with painters(1) as fleet:
        await hired(house, fleet)
        assert (await house.ask("POST", "/v1/workers", {"url": gone.url, "name": "never"}))[0] == 201
        ended = await all_over(house, [await asked(house, "painting", model=model) for model in MODELS[:3]])
        assert {(job.state, job.worker, job.attempt) for job in ended} == {(State.SUCCEEDED, "gpu-0", 1)}


async def test_after_a_restart_one_that_told_before_is_waited_for_however_long_it_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bound in ("NOBODY_S", "UNTOLD_S"):
        monkeypatch.setattr(passing, bound, 0.0)
    async with painters(1) as fleet:
        fleet[0].comfy.object_info = nodes(MODELS[:1])
        async with painters(1) as others, service_house(tmp_path) as house:
            await hired(house, [*fleet, *others])

            async def is_kept() -> bool:
                found = await asyncio.to_thread(house.service.fleet.get, "gpu-1")
                return found is not None and found.told_at is not None

            await until(is_kept)
        async with service_house(tmp_path) as house:
            waiting = await house.submit("painting", values={"model": MODELS[5]})
            other = await house.submit("painting", values={"model": MODELS[0]})
            assert (await house.ended(other.job_id)).worker == "gpu-0"
            await asyncio.sleep(2.0)
            assert (await house.job(waiting.job_id)).state is State.QUEUED
            _, told = await house.ask("GET", f"/v1/jobs/{waiting.job_id}/why")
            assert told["text"].endswith("It waits for gpu-1, where it may run once that worker gets jobs.")


async def test_a_worker_that_never_told_what_it_has_is_waited_for_within_a_bound(
    house: ServiceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gpu() as gone:
        pass
    async with painters(2) as fleet:
        for painter in fleet:
            painter.comfy.object_info = nodes(MODELS[:1])
        await hired(house, fleet)
        assert (await house.ask("POST", "/v1/workers", {"url": gone.url, "name": "never"}))[0] == 201
        waiting = await house.submit("painting", values={"model": MODELS[5]})
        _, told = await house.ask("GET", f"/v1/jobs/{waiting.job_id}/why")
        assert told["text"].endswith("It waits for never, where it may run once that worker gets jobs.")
        monkeypatch.setattr(passing, "UNTOLD_S", 0.0)
        _, told = await house.ask("GET", f"/v1/jobs/{waiting.job_id}/why")
        assert "It waits for" not in told["text"]
        assert told["text"].endswith(" never has never told what nodes there are, and nothing waits for that any more.")
        monkeypatch.setattr(passing, "NOBODY_S", 0.3)
        failed = await house.ended(waiting.job_id)
        assert failed.failure is not None and failed.failure.code == "invalid_input"
        assert failed.failure.message.endswith("No other worker runs it either.")


async def test_beside_one_that_never_told_the_only_other_says_at_once_what_it_lacks(
    house: ServiceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing, "UNTOLD_S", 0.0)
    async with gpu() as gone:
        pass
    async with painters(1) as fleet:
        fleet[0].comfy.object_info = nodes(MODELS[:1])
        await hired(house, fleet)
        assert (await house.ask("POST", "/v1/workers", {"url": gone.url, "name": "never"}))[0] == 201
        failed = await house.run("painting", values={"model": MODELS[5]})
        assert await kinds(house, failed.job_id) == ["queued", "claimed", "failed"]


async def test_a_drained_worker_that_has_the_model_is_waited_for_and_one_that_has_not_is_not(
    house: ServiceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing, "NOBODY_S", 0.5)
    async with painters(3) as fleet:
        for painter, those in zip(fleet, (MODELS[:1], MODELS[:2], MODELS[:1]), strict=True):
            painter.comfy.object_info = nodes(those)
        await hired(house, fleet)
        for name in ("gpu-1", "gpu-2"):
            await house.ask("PATCH", f"/v1/workers/{name}", {"state": "draining"})
        had, missing = await ordered(house, [MODELS[1], MODELS[5]])
        failed = await house.ended(missing.job_id)
        assert failed.failure is not None and failed.failure.code == "invalid_input"
        assert failed.failure.message.endswith("No other worker runs it either.")
        await asyncio.sleep(2.0)
        assert (await house.job(had.job_id)).state is State.QUEUED
        _, told = await house.ask("GET", f"/v1/jobs/{had.job_id}/why")
        assert "It waits for gpu-1, where" in told["text"]
        await house.ask("PATCH", "/v1/workers/gpu-1", {"state": "up"})
        [ended] = await all_over(house, [had])
        assert (ended.state, ended.worker) == (State.SUCCEEDED, "gpu-1")


async def test_where_no_worker_stands_where_a_job_says_it_waits_for_as_long_as_it_takes(
    house: ServiceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing, "NOBODY_S", 0.3)
    async with painters(2) as fleet:
        await hired(house, fleet)
        waiting = await house.submit("painting", region="mars")
        await asyncio.sleep(2.0)
        assert (await house.job(waiting.job_id)).state is State.QUEUED
        await house.ask("PATCH", "/v1/workers/gpu-1", {"region": "mars"})
        [ended] = await all_over(house, [waiting])
        assert (ended.state, ended.worker) == (State.SUCCEEDED, "gpu-1")
