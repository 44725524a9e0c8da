"""``mintmark worker roll`` against a running service: one worker after the other, each shown ready or left drained."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from mintmark.cli import worker_roll
from mintmark.cli.worker_roll import roll
from mintmark.errors import MintmarkError, UsageError, WorkerError
from mintmark.orchestrator.dispatch import worker_loop
from mintmark.tests.orchestrator.fake_comfy import FakeComfy

from ..house import ServiceHouse
from .gpu import added, fail, gpu, shown, until
from .test_warming import LOADERS


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch, house: ServiceHouse) -> None:
    monkeypatch.setattr(worker_loop, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(worker_roll, "LOOK_EVERY_S", 0.05)
    monkeypatch.setenv("MINTMARK_CLIENT_URL", house.url)


async def runs(comfy: FakeComfy, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    comfy.finish(body["prompt_id"])
    return web.json_response({"prompt_id": body["prompt_id"], "number": 1, "node_errors": {}})


async def breaks(comfy: FakeComfy, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    fail(comfy, body["prompt_id"], "CUDA error")
    return web.json_response({"prompt_id": body["prompt_id"], "number": 1, "node_errors": {}})


@asynccontextmanager
async def two(house: ServiceHouse) -> AsyncIterator[list[FakeComfy]]:
    async with gpu(boot_id="a-1") as one, gpu(boot_id="b-1") as other:
        for name, comfy in (("a", one), ("b", other)):
            comfy.object_info, comfy.on_prompt = LOADERS, runs
            await added(house, comfy, name, labels=["pool"])
        yield [one, other]


async def restarted(house: ServiceHouse, name: str, comfy: FakeComfy) -> None:
    """Once it is drained, another process answers."""

    async def is_drained() -> bool:
        return bool((await shown(house, name))["standing"] == "draining")

    await until(is_drained)
    comfy.health = {**comfy.health, "boot_id": f"{name}-2"}


async def test_each_is_drained_upgraded_tried_and_given_jobs_again(house: ServiceHouse, tmp_path: Path) -> None:
    async with two(house) as (one, other):
        said = tmp_path / "said"
        rolling = asyncio.create_task(asyncio.to_thread(roll, label="pool", command=f"echo $WORKER_NAME >> {said}"))
        await restarted(house, "a", one)
        assert (await shown(house, "b"))["standing"] == "up", "one after the other"
        await restarted(house, "b", other)
        await rolling
        assert said.read_text().split() == ["a", "b"]
        for name, comfy in (("a", one), ("b", other)):
            found = await shown(house, name)
            assert (found["standing"], found["boot_id"], len(comfy.posted)) == ("up", f"{name}-2", 1)


async def test_one_whose_upgrade_or_trial_fails_stays_drained_and_the_next_is_not_touched(house: ServiceHouse) -> None:
    async with two(house) as (one, _):
        with pytest.raises(WorkerError, match=r"upgrade of a failed \(7\)"):
            await asyncio.to_thread(roll, ["a", "b"], command="exit 7")
        one.on_prompt = breaks
        rolling = asyncio.create_task(asyncio.to_thread(roll, ["a", "b"], command="true"))
        await restarted(house, "a", one)
        with pytest.raises(WorkerError, match=r"a is not ready: .*CUDA error"):
            await rolling
        assert [(await shown(house, name))["standing"] for name in ("a", "b")] == ["draining", "up"]


async def test_a_canary_that_is_drained_ends_it(house: ServiceHouse) -> None:
    async with two(house) as (one, _):
        rolling = asyncio.create_task(asyncio.to_thread(roll, ["a", "b"], command="true", canary=10))
        await restarted(house, "a", one)

        async def is_tried() -> bool:
            return bool((await shown(house, "a"))["canary"] == 10)

        await until(is_tried)
        await asyncio.to_thread(house.service.fleet.conclude, "a", "failed", "3 of 3 jobs failed there")
        with pytest.raises(WorkerError, match="a failed more jobs than the others"):
            await rolling
        assert [(await shown(house, name))["standing"] for name in ("a", "b")] == ["draining", "up"]


async def test_what_cannot_be_done_is_told(house: ServiceHouse) -> None:
    async with two(house):
        for wrong in ({}, {"name": ["a"], "label": "pool"}, {"label": "none"}, {"name": ["a"]}):
            with pytest.raises(UsageError):
                await asyncio.to_thread(lambda wrong=wrong: roll(**wrong))
        with pytest.raises(MintmarkError):
            await asyncio.to_thread(roll, ["nobody"], command="true")
