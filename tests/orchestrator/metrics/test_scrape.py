"""``/metrics`` of a whole service, as Prometheus reads it: jobs, money, workers, requests, webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from mintmark.generation.context import Device
from mintmark.orchestrator.jobs.states import State
from mintmark.tests.orchestrator.house import SIZE, ServiceHouse, service_house

Said = dict[tuple[str, tuple[tuple[str, str], ...]], float]
BOUNDED = {
    "workflow",
    "state",
    "code",
    "provider",
    "model",
    "method",
    "route",
    "status",
    "result",
    "worker",
    "gpu",
    "le",
}
RUN = {"inputs": {"prompt": "a teapot", **SIZE}}


async def scraped(house: ServiceHouse) -> Said:
    status, text = await house.ask("GET", "/metrics")
    assert status == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(said: Said, name: str, **labels: str) -> float:
    """The sum of the series with this name and these labels, among others."""
    return sum(value for (each, has), value in said.items() if each == name and labels.items() <= dict(has).items())


@asynccontextmanager
async def receiver() -> AsyncIterator[str]:
    async def take(request: web.Request) -> web.Response:
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    finally:
        await runner.cleanup()


async def test_a_scrape_tells_what_the_service_did_and_how_it_stands(tmp_path: Path) -> None:
    async with receiver() as url, service_house(tmp_path) as house:
        status, job = await house.ask(
            "POST", "/v1/workflows/text-to-image/runs", {**RUN, "webhook_url": url}, headers={"Prefer": "wait=60"}
        )
        assert (status, job["status"]) == (200, "succeeded")
        await house.ask("GET", f"/v1/jobs/{job['job_id']}")
        await house.ask("GET", "/nowhere/at/all")
        said = await scraped(house)
        while not total(said, "mintmark_webhook_deliveries_total", result="delivered"):
            await asyncio.sleep(0.05)
            said = await scraped(house)
    assert total(said, "mintmark_jobs_total", state="succeeded", workflow="text-to-image", code="") == 1
    assert total(said, "mintmark_run_seconds_count", workflow="text-to-image") == 1
    assert total(said, "mintmark_job_latency_seconds_sum") > 0
    assert total(said, "mintmark_spend_usd_total", provider="fal") > 0
    assert total(said, "mintmark_image_pixels_sum") == 256 * 256
    assert total(said, "mintmark_jobs_in_state", state="queued") == 0
    assert total(said, "mintmark_oldest_waiting_seconds") == 0
    assert total(said, "mintmark_http_requests_total", route="/v1/jobs/{job_id}", status="200", method="GET") == 1
    assert total(said, "mintmark_http_requests_total", route="none", status="404") == 1
    assert total(said, "mintmark_webhook_delivery_seconds_count") == 1
    [worker] = {dict(has)["worker"] for name, has in said if name == "mintmark_worker_state"}
    assert total(said, "mintmark_worker_state", worker=worker, state="ready") == 1
    assert total(said, "mintmark_worker_slots", worker=worker) > 0
    assert {label for _, has in said for label, _ in has} <= BOUNDED
    assert not [has for _, has in said if job["job_id"] in str(has)]


async def test_jobs_that_end_without_a_worker_are_counted_too(tmp_path: Path) -> None:
    async with service_house(tmp_path) as house:
        await asyncio.to_thread(house.service.jobs.pause, paused=True)
        waiting = await house.submit()
        said = await scraped(house)
        assert total(said, "mintmark_jobs_in_state", state="queued") == 1
        assert total(said, "mintmark_wanted_slots") == 1
        assert total(said, "mintmark_oldest_waiting_seconds") > 0
        await house.ask("POST", f"/v1/jobs/{waiting.job_id}/cancel")
        assert (await house.job(waiting.job_id)).state is State.CANCELED
        assert total(await scraped(house), "mintmark_jobs_total", state="canceled") == 1


async def test_what_a_worker_s_pack_tells_of_its_devices_is_scraped(tmp_path: Path) -> None:
    gpu = Device(name="cuda:0 NVIDIA H200", type="cuda", vram_total=10, vram_free=4, load=75.0)
    async with service_house(tmp_path) as house:
        [worker] = house.service.workers
        await house.run()
        assert worker.health is not None
        worker.health = worker.health.model_copy(update={"devices": (gpu,)})
        said = await scraped(house)
        assert total(said, "mintmark_gpu_load_ratio", worker=worker.name, gpu=gpu.name) == 0.75
        assert total(said, "mintmark_vram_free_bytes", gpu=gpu.name) == 4
        worker.state = "down"
        said = await scraped(house)
        assert total(said, "mintmark_worker_state", worker=worker.name, state="lost") == 1
        assert not [name for name, _ in said if name.startswith("mintmark_gpu")]
