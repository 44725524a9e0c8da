"""A changed worker gets a part of the jobs first: it passes, or is drained again."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from mintmark.orchestrator.dispatch import crew
from mintmark.orchestrator.fleet import canary
from mintmark.orchestrator.jobs.job import Job
from mintmark.orchestrator.jobs.states import State
from mintmark.tests.orchestrator.fake_comfy import FakeComfy

from ..house import ServiceHouse
from .gpu import fail, shown, until
from .painters import MODELS, painters
from .test_placing import all_over, hired, ordered


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "REFRESH_S", 0.1)


async def stands(house: ServiceHouse, name: str, standing: str) -> dict[str, Any]:
    async def is_judged() -> bool:
        found = await shown(house, name)
        return found["canary"] is None and found["standing"] == standing

    await until(is_judged)
    return await shown(house, name)


async def test_it_gets_its_share_and_then_passes(house: ServiceHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    async with painters(2) as fleet:
        await hired(house, fleet)
        status, told = await house.ask("PATCH", "/v1/workers/gpu-1", {"state": "up", "canary": 20})
        assert (status, told["canary"], told["standing"]) == (200, 20, "up")
        ended = await all_over(house, await ordered(house, [MODELS[number % 4] for number in range(30)]))
        assert {job.state for job in ended} == {State.SUCCEEDED}
        assert 1 <= len(fleet[1].painted) <= 7
        assert (await shown(house, "gpu-1"))["canary"] == 20, "not enough has ended for a verdict"
        monkeypatch.setattr(canary, "ENOUGH", 2)
        await all_over(house, await ordered(house, MODELS[:2]))
        await stands(house, "gpu-1", "up")


async def breaks(comfy: FakeComfy, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """It takes the prompt and fails it."""
    fail(comfy, body["prompt_id"], "the upgrade broke it")
    return web.json_response({"prompt_id": body["prompt_id"], "number": 1, "node_errors": {}})


async def test_it_is_drained_where_more_fail_than_elsewhere(house: ServiceHouse) -> None:
    async with painters(2) as fleet:
        await hired(house, fleet)
        fleet[1].comfy.on_prompt = breaks
        await house.ask("PATCH", "/v1/workers/gpu-1", {"state": "up", "canary": 50})
        ended: list[Job] = []
        while (await shown(house, "gpu-1"))["canary"] is not None and len(ended) < 160:
            ended += await all_over(house, await ordered(house, MODELS))
        found = await stands(house, "gpu-1", "draining")
        assert found["why"] == "is drained"
        failed = [job for job in ended if job.state is State.FAILED]
        assert canary.FEWEST_FAILED <= len(failed) <= canary.FEWEST_FAILED + 4, "not many more than it takes"
        assert {job.worker for job in failed} == {"gpu-1"}
        _, entries = await house.ask("GET", "/v1/audit?limit=100")
        assert "worker.canary_failed" in [each["action"] for each in entries["entries"]]


async def test_one_that_is_alone_gets_all_jobs(house: ServiceHouse) -> None:
    async with painters(1) as fleet:
        await hired(house, fleet)
        await house.ask("PATCH", "/v1/workers/gpu-0", {"state": "up", "canary": 1})
        ended = await all_over(house, await ordered(house, MODELS[:5]))
        assert {(job.state, job.worker) for job in ended} == {(State.SUCCEEDED, "gpu-0")}


async def test_a_share_goes_with_jobs_and_is_a_part_of_them(house: ServiceHouse) -> None:
    async with painters(1) as fleet:
        await hired(house, fleet)
        for wrong in ({"canary": 10}, {"state": "draining", "canary": 10}, {"state": "up", "canary": 0}):
            status, problem = await house.ask("PATCH", "/v1/workers/gpu-0", wrong)
            assert status == 422 and problem["field"] == "canary"
