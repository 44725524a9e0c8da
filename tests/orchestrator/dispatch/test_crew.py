"""Workers that come and go while the service runs: added, drained, removed; put into quarantine and back to work."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from mintmark.orchestrator.dispatch import crew, worker_loop
from mintmark.orchestrator.fleet import standing
from mintmark.orchestrator.fleet.registry import Registry
from mintmark.orchestrator.jobs.job import Job
from mintmark.orchestrator.jobs.states import State
from mintmark.tests.orchestrator.fake_comfy import FakeComfy

from ..house import ServiceHouse, service_house
from .gpu import GIB, WORKFLOW, added, draw, fail, gpu, health, shown, until
from .test_dispatcher import kinds

REQUIRES = WORKFLOW["requires"]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bounds are what they are; here it is what happens at them."""
    monkeypatch.setattr(worker_loop, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(crew, "REFRESH_S", 0.1)
    monkeypatch.setattr(standing, "FIRST_PAUSE_S", 0.3)


async def drawing(house: ServiceHouse, comfy: FakeComfy, workflow: dict[str, object] = WORKFLOW) -> Job:
    """A job of the workflow, once it was posted there."""
    await asyncio.to_thread(house.service.releases.publish, workflow)
    job = await house.submit("drawing", values={"prompt": "x"})

    async def is_posted() -> bool:
        return job.job_id in comfy.posted

    await until(is_posted)
    return job


async def stands(house: ServiceHouse, name: str, *words: str) -> None:
    """Wait until it stands as one of these words says."""

    async def holds() -> bool:
        return (await shown(house, name))["standing"] in words

    await until(holds)


async def test_a_worker_that_is_added_gets_jobs_without_a_restart(house: ServiceHouse) -> None:
    async with gpu() as comfy:
        await added(house, comfy, "one", labels=["a"], region="eu", hour_microusd=1_200_000)
        job = await drawing(house, comfy)
        draw(comfy, job.job_id)
        ended = await house.ended(job.job_id)
        assert (ended.state, ended.worker) == (State.SUCCEEDED, "one")


async def test_what_a_worker_has_is_told(house: ServiceHouse) -> None:
    async with gpu() as comfy:
        comfy.models["loras"] = []
        await added(house, comfy, "one", labels=["b", "a"], region="eu", hour_microusd=1_200_000)

        async def is_surveyed() -> bool:
            return bool((await shown(house, "one"))["models"])

        await until(is_surveyed)
        found = await shown(house, "one")
    assert found["models"] == {"checkpoints": {"base.safetensors": 7 * GIB}}
    assert (found["comfyui_version"], found["system"], found["packs"]) == ("0.33.0", "linux", ["drawing"])
    assert (found["node_classes"], found["models_in_memory"]) == (["Draw", "Save"], ["base.safetensors"])
    assert (found["labels"], found["region"], found["hour_microusd"]) == (["a", "b"], "eu", 1_200_000)
    assert (found["source"], found["standing"], found["why"]) == ("added", "up", "")


async def test_a_file_that_a_worker_was_given_meanwhile_is_found_without_a_restart(
    house: ServiceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "SURVEY_EVERY_S", 0.2)
    async with gpu() as comfy:
        await added(house, comfy, "one")

        async def has(name: str) -> bool:
            return name in ((await shown(house, "one"))["models"] or {}).get("checkpoints", {})

        await until(lambda: has("base.safetensors"))
        comfy.models["checkpoints"] = [*comfy.models["checkpoints"], {"name": "new.safetensors", "size": GIB}]
        comfy.object_info["Another"] = comfy.object_info["Draw"]
        await until(lambda: has("new.safetensors"))

        async def offers_more() -> bool:
            return "Another" in (await shown(house, "one"))["node_classes"]

        await until(offers_more)


async def test_names_alone_are_told_where_a_worker_tells_no_sizes(house: ServiceHouse) -> None:
    async with gpu() as comfy:
        comfy.tells_sizes = False
        await added(house, comfy, "one")

        async def is_surveyed() -> bool:
            return bool((await shown(house, "one"))["models"])

        await until(is_surveyed)
        assert (await shown(house, "one"))["models"] == {"checkpoints": {"base.safetensors": None}}


async def test_a_drained_worker_ends_what_runs_and_gives_back_what_it_has_not_begun(house: ServiceHouse) -> None:
    async with gpu() as old, gpu(boot_id="other") as new:
        await added(house, old, "old")
        first = await drawing(house, old)
        old.state[first.job_id] = "in_progress"
        second = await drawing(house, old)
        status, body = await house.ask("PATCH", "/v1/workers/old", {"state": "draining"})
        assert (status, body["standing"], body["why"]) == (200, "draining", "is drained")

        async def is_given_back() -> bool:
            return (await house.job(second.job_id)).state is State.QUEUED

        await until(is_given_back)
        assert old.canceled == [] and second.job_id not in old.state
        status, problem = await house.ask("DELETE", "/v1/workers/old")
        assert (status, problem["code"]) == (409, "wrong_state")
        draw(old, first.job_id)
        assert (await house.ended(first.job_id)).state is State.SUCCEEDED
        await added(house, new, "new")

        async def is_posted() -> bool:
            return second.job_id in new.posted

        await until(is_posted)
        draw(new, second.job_id)
        ended = await house.ended(second.job_id)
        assert (ended.state, ended.worker, ended.attempt) == (State.SUCCEEDED, "new", 1), (
            "what was not begun is no attempt"
        )
        assert await kinds(house, second.job_id) == ["queued", "claimed", "requeued", "claimed", "succeeded"]
        assert (await house.ask("DELETE", "/v1/workers/old"))[0] == 204

        async def is_gone() -> bool:
            return "old" not in [each.name for each in house.service.workers]

        await until(is_gone)
        assert (await house.ask("GET", "/v1/workers/old"))[0] == 404


async def test_an_act_of_another_service_on_the_database_is_done_here_too(house: ServiceHouse) -> None:
    other = Registry(house.service.store)
    async with gpu() as comfy:
        await asyncio.to_thread(other.add, comfy.url, name="one")
        await until(lambda: _is_up(house, "one"))
        await asyncio.to_thread(other.order, "one", "draining")
        await stands(house, "one", "draining")
        await asyncio.to_thread(other.remove, "one")

        async def is_gone() -> bool:
            return (await house.ask("GET", "/v1/workers/one"))[0] == 404

        await until(is_gone)


async def _is_up(house: ServiceHouse, name: str) -> bool:
    status, body = await house.ask("GET", f"/v1/workers/{name}")
    return status == 200 and body["state"] == "up"


async def test_workers_are_there_again_after_a_restart_and_stay_drained(tmp_path: Path) -> None:
    async with gpu() as comfy:
        async with service_house(tmp_path) as house:
            await added(house, comfy, "one")
            await house.ask("PATCH", "/v1/workers/one", {"state": "draining"})
        async with service_house(tmp_path) as house:
            await until(lambda: _is_up(house, "one"))
            assert (await shown(house, "one"))["standing"] == "draining"


async def test_one_that_the_settings_name_too_is_one_worker(tmp_path: Path) -> None:
    async with gpu() as comfy:
        async with service_house(tmp_path) as house:
            await added(house, comfy, "one")
        async with service_house(tmp_path, workers=(comfy.url,)) as house:
            urls = [each.link.url for each in house.service.workers]
            assert urls.count(comfy.url) == 1
            status, problem = await house.ask("POST", "/v1/workers", {"url": comfy.url})
            assert (status, problem["field"]) == (422, "url")


async def test_a_worker_whose_prompt_thread_died_is_left_alone_until_it_has_shown_a_job(house: ServiceHouse) -> None:
    async with gpu() as comfy:
        await added(house, comfy, "one")
        comfy.health = health(prompt_thread_alive=False)
        await stands(house, "one", "quarantined")
        found = await shown(house, "one")
        assert found["why"].startswith("The worker at") and "no longer runs prompts" in found["why"]
        comfy.health = health(boot_id="second")
        await stands(house, "one", "probation")
        first = await drawing(house, comfy)
        second = await house.submit("drawing", values={"prompt": "y"})
        await asyncio.sleep(0.5)
        assert second.job_id not in comfy.posted, "one job at a time on probation"
        draw(comfy, first.job_id)
        await house.ended(first.job_id)
        await stands(house, "one", "up")

        async def is_posted() -> bool:
            return second.job_id in comfy.posted

        await until(is_posted)
        draw(comfy, second.job_id)
        await house.ended(second.job_id)
    _, metrics = await house.ask("GET", "/metrics")
    assert 'mintmark_worker_quarantines_total{reason="prompt_thread",worker="one"} 1.0' in metrics


async def test_a_worker_with_nodes_of_another_major_version_gets_nothing(house: ServiceHouse) -> None:
    async with gpu(pack_version="7.0.0") as comfy:
        await house.ask("POST", "/v1/workers", {"url": comfy.url, "name": "one"})
        await stands(house, "one", "quarantined")
        found = await shown(house, "one")
        assert found["state"] == "refused" and "7.0.0" in found["problem"]


async def test_a_workflow_that_pins_another_version_is_refused_before_anything_is_sent(house: ServiceHouse) -> None:
    async with gpu() as comfy:
        await added(house, comfy, "one")
        packs = {"packs": [{"name": "mintmark", "version": ">=5"}]}
        workflow = {**WORKFLOW, "version": "2.0.0", "requires": {**REQUIRES, **packs}}
        await asyncio.to_thread(house.service.releases.publish, workflow)
        job = await house.run("drawing", values={"prompt": "x"})
        assert job.failure is not None and job.failure.code == "worker_refused"
        assert "it pins mintmark >=5, and 0.1.0 is there" in job.failure.message
        assert comfy.posted == []


@pytest.mark.parametrize(
    ("text", "jobs"), [("CUDA out of memory. Tried to allocate 2 GiB", 3), ("[Errno 28] No space left on device", 1)]
)
async def test_a_worker_without_memory_or_disk_is_left_alone(house: ServiceHouse, text: str, jobs: int) -> None:
    async with gpu() as comfy:
        await added(house, comfy, "one")
        for _ in range(jobs):
            assert (await shown(house, "one"))["standing"] == "up"
            job = await drawing(house, comfy)
            fail(comfy, job.job_id, text)
            assert (await house.ended(job.job_id)).state is State.FAILED
        await stands(house, "one", "quarantined", "probation")
        # Every service on the database knows it.
        other = Registry(house.service.store)

        async def is_told() -> bool:
            entry = await asyncio.to_thread(other.get, "one")
            return entry is not None and entry.state == "quarantined" and entry.strikes == 1

        await until(is_told)
        await stands(house, "one", "probation")
        job = await drawing(house, comfy)
        draw(comfy, job.job_id)
        assert (await house.ended(job.job_id)).state is State.SUCCEEDED

        async def is_told_free() -> bool:
            entry = await asyncio.to_thread(other.get, "one")
            return entry is not None and entry.state == "up"

        await until(is_told_free)
        assert (await shown(house, "one"))["standing"] == "up"


async def test_a_worker_that_sends_us_on_to_where_clouds_tell_credentials_is_not_followed(house: ServiceHouse) -> None:
    async def away(request: web.Request) -> web.Response:
        raise web.HTTPFound("http://169.254.169.254/latest/meta-data")

    app = web.Application()
    app.router.add_get("/mintmark/worker", away)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        assert (await house.ask("POST", "/v1/workers", {"url": url, "name": "one"}))[0] == 201

        async def is_refused() -> bool:
            return (await shown(house, "one"))["state"] == "refused"

        await until(is_refused)
        assert "its address is never called" in (await shown(house, "one"))["problem"]
    finally:
        await runner.cleanup()


async def test_one_in_quarantine_is_resumed_by_hand(house: ServiceHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "FIRST_PAUSE_S", 3600.0)
    async with gpu() as comfy:
        await added(house, comfy, "one")
        job = await drawing(house, comfy)
        fail(comfy, job.job_id, "No space left on device")
        await stands(house, "one", "quarantined")
        await asyncio.sleep(0.3)
        found = await shown(house, "one")
        assert (found["why"], found["until"] is not None) == ("its disk is full", True)
        status, ready = await house.ask("PATCH", "/v1/workers/one", {"state": "up"})
        assert (status, ready["standing"], ready["why"]) == (200, "up", "")
        await asyncio.sleep(0.3)
        assert (await shown(house, "one"))["standing"] == "up"
