"""What idle workers load ahead, and what they show after a change; a job never waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mintmark.orchestrator.dispatch import crew, warming
from mintmark.orchestrator.jobs.states import State
from mintmark.tests.orchestrator.fake_comfy import FakeComfy

from ..house import ServiceHouse, service_house
from .gpu import GIB, NODES, WORKFLOW, added, draw, fail, gpu, shown, until

LOADERS: dict[str, Any] = {
    **NODES,
    "CheckpointLoaderSimple": {
        "input": {"required": {"ckpt_name": [["base.safetensors", "other.safetensors"], {}]}},
        "output": ["MODEL"],
    },
    "PreviewAny": {"input": {"required": {"source": ["*", {}]}}, "output": [], "output_node": True},
    "EmptyImage": {"input": {"required": {}}, "output": ["IMAGE"]},
    "PreviewImage": {"input": {"required": {}}, "output": [], "output_node": True},
}


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "REFRESH_S", 0.1)
    monkeypatch.setattr(warming, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(warming, "IDLE_S", 0.2)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[ServiceHouse]:
    async with service_house(tmp_path, warm=("a100=other.safetensors",)) as opened:
        await asyncio.to_thread(opened.service.releases.publish, WORKFLOW)
        yield opened


def loader(body: dict[str, Any]) -> str | None:
    """The file that a prompt loads ahead; None of a job's."""
    node = body["prompt"].get("1", {})
    return node["inputs"]["ckpt_name"] if node.get("class_type") == "CheckpointLoaderSimple" else None


def loaded(comfy: FakeComfy) -> list[str]:
    return [file for body in comfy.bodies if (file := loader(body))]


async def warmed(comfy: FakeComfy, file: str) -> str:
    """The id of the prompt that loads it, once it was posted."""

    async def is_posted() -> bool:
        return file in loaded(comfy)

    await until(is_posted)
    return next(str(body["prompt_id"]) for body in comfy.bodies if loader(body) == file)


async def test_an_idle_worker_loads_what_its_group_and_it_itself_are_to_have_warm(house: ServiceHouse) -> None:
    async with gpu() as comfy, gpu(boot_id="other") as plain:
        comfy.object_info = plain.object_info = LOADERS
        comfy.health["models_in_memory"] = []
        await added(house, plain, "plain")
        await added(house, comfy, "one", labels=["a100"], warm=["base.safetensors"])
        for file in ("base.safetensors", "other.safetensors"):
            comfy.finish(await warmed(comfy, file))

        async def is_known() -> bool:
            told = (await house.ask("GET", "/v1/model-files/other.safetensors"))[1]["workers"]
            return [(each["name"], each["in_memory"]) for each in told] == [("one", True)]

        await until(is_known)
        assert loaded(comfy) == ["base.safetensors", "other.safetensors"], "each once"
        assert loaded(plain) == []


async def test_a_job_stops_what_is_loaded_ahead_and_goes_first(house: ServiceHouse) -> None:
    async with gpu() as comfy:
        comfy.object_info = LOADERS
        await added(house, comfy, "one", labels=["a100"])
        loading = await warmed(comfy, "other.safetensors")
        job = await house.submit("drawing", values={"prompt": "x"})

        async def is_posted() -> bool:
            return job.job_id in comfy.posted

        await until(is_posted)

        async def is_stopped() -> bool:
            return loading in comfy.canceled

        await until(is_stopped)
        draw(comfy, job.job_id)
        assert (await house.ended(job.job_id)).state is State.SUCCEEDED


async def test_nothing_is_loaded_while_a_job_runs(house: ServiceHouse) -> None:
    async with gpu() as comfy:
        await added(house, comfy, "one", labels=["a100"])
        job = await house.submit("drawing", values={"prompt": "x"})

        async def is_posted() -> bool:
            return job.job_id in comfy.posted

        await until(is_posted)
        comfy.object_info = LOADERS
        house.service.workers[-1].has_other_files()
        await asyncio.sleep(0.6)
        assert loaded(comfy) == []
        draw(comfy, job.job_id)
        await house.ended(job.job_id)


async def test_where_a_model_file_is_is_told(house: ServiceHouse) -> None:
    async with gpu() as comfy:
        comfy.models["loras"] = [{"name": "sub/style.safetensors", "size": GIB}]
        await added(house, comfy, "one")

        async def is_surveyed() -> bool:
            return bool((await shown(house, "one"))["models"])

        await until(is_surveyed)
        _, base = await house.ask("GET", "/v1/model-files/base.safetensors")
        [there] = base["workers"]
        assert (there["name"], there["folders"], there["bytes"]) == ("one", ["checkpoints"], 7 * GIB)
        assert there["in_memory"] is True
        _, style = await house.ask("GET", "/v1/model-files/style.safetensors")
        assert [(each["folders"], each["in_memory"]) for each in style["workers"]] == [(["loras"], False)]
        assert (await house.ask("GET", "/v1/model-files/none.safetensors"))[1]["workers"] == []


async def tried(house: ServiceHouse, **body: Any) -> tuple[int, Any]:
    return await house.ask("POST", "/v1/workers/one/trial", body)


async def test_a_drained_worker_shows_that_it_is_ready(house: ServiceHouse) -> None:
    async with gpu() as comfy:
        comfy.object_info = LOADERS
        await added(house, comfy, "one")
        await house.ask("PATCH", "/v1/workers/one", {"state": "draining"})
        asking = asyncio.create_task(tried(house, files=["other.safetensors"]))
        await _all_finished(comfy, 2)
        status, told = await asking
        assert (status, told["ready"], told["problem"]) == (200, True, None) and loaded(comfy) == ["other.safetensors"]
        assert "EmptyImage" in [node["class_type"] for node in comfy.bodies[0]["prompt"].values()]


async def test_one_that_does_not_run_its_trial_is_not_ready(house: ServiceHouse) -> None:
    async with gpu() as comfy:
        comfy.object_info = LOADERS
        await added(house, comfy, "one")
        _, told = await tried(house, within_s=0.3)
        assert not told["ready"] and "has not run a trial prompt" in told["problem"]
        assert comfy.canceled == comfy.posted, "it is stopped there"
        _, told = await tried(house, files=["none.safetensors"])
        assert not told["ready"] and "none.safetensors" in told["problem"]
        asking = asyncio.create_task(tried(house))

        async def is_posted() -> bool:
            return len(comfy.posted) == 2

        await until(is_posted)
        fail(comfy, comfy.posted[-1], "CUDA error")
        _, told = await asking
        assert not told["ready"] and "CUDA error" in told["problem"]


async def _all_finished(comfy: FakeComfy, prompts: int) -> None:
    for number in range(prompts):

        async def is_posted(number: int = number) -> bool:
            return len(comfy.posted) > number

        await until(is_posted)
        comfy.finish(comfy.posted[number])
