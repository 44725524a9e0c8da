"""A job through the whole service, from the store to an asset that is there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mintmark.config import Settings
from mintmark.config.service import ServiceSettings
from mintmark.errors import BadSetting, CannotWrite, InternalError
from mintmark.orchestrator.jobs.states import State
from mintmark.orchestrator.service.listening import Listening
from mintmark.orchestrator.service.service import Service
from mintmark.provenance.reading import read

from ..house import ServiceHouse, service_house


async def test_a_job_in_the_store_ends_with_signed_assets_and_its_price(house: ServiceHouse) -> None:
    job = await house.run(values={"prompt": "a teapot", "seed": 7})
    assert (job.state, job.failure) == (State.SUCCEEDED, None)
    (made,) = job.outputs
    data = house.service.assets.read(made.asset)
    assert (made.media_type, made.width, made.height, made.bytes) == ("image/png", 256, 256, len(data))
    assert made.verdict is not None and made.verdict["decision"] == "allowed"
    assert made.credential is not None and made.credential["state"] == "valid"
    assert made.seed == 7
    assert read(data).record is not None
    bill = await house.bill()
    assert job.cost_microusd == sum(each.microusd for each in job.receipts) == bill["total_microusd"] > 0
    totals = house.service.ledger.totals()
    assert (totals.settled_microusd, totals.set_aside_microusd) == (bill["total_microusd"], 0)
    assert job.metrics is not None and job.metrics.latency_ms >= job.metrics.run_ms > 0


async def test_a_run_over_http_ends_with_an_image_url_that_opens(house: ServiceHouse) -> None:
    body = {"inputs": {"prompt": "a teapot", "width": 256, "height": 256}}
    status, job = await house.ask("POST", "/v1/workflows/text-to-image/runs", body, headers={"Prefer": "wait=60"})
    assert (status, job["status"]) == (200, "succeeded"), job
    async with house.session.get(job["outputs"][0]["image_url"]) as reply:
        assert (reply.status, reply.content_type) == (200, "image/png")
        assert read(await reply.read()).record is not None


async def test_files_of_a_purged_job_are_deleted_by_the_next_start_where_the_last_one_died(tmp_path: Path) -> None:
    async with service_house(tmp_path) as house:
        (made,) = (await house.run()).outputs
        kept = await house.run(values={"prompt": "another"})
        [job] = house.service.jobs.having(made.asset)
        house.service.jobs.purge(job.job_id)  # killed before it comes to the files
        assert house.service.assets.exists(made.asset)
    async with service_house(tmp_path) as house:
        while house.service.jobs.forgotten():
            await asyncio.sleep(0.05)
        assert not house.service.assets.exists(made.asset)
        assert house.service.assets.exists(kept.outputs[0].asset)


async def test_a_second_service_on_the_same_data_folder_is_refused_by_name(house: ServiceHouse) -> None:
    second = Service(house.settings, ServiceSettings(port=0, runners=0))
    with pytest.raises(BadSetting, match="Another service runs on the data folder"):
        async with second:
            pass


async def test_half_a_start_is_undone(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", sandbox=True, sandbox_url="http://127.0.0.1:9")
    (tmp_path / "data" / "sandbox" / "service").mkdir(parents=True)
    (tmp_path / "data" / "sandbox" / "service" / "links.json").write_text("{}")
    for _ in range(2):  # the second time the folder is free again
        with pytest.raises(CannotWrite, match="no secrets"):
            async with Service(settings, ServiceSettings(port=0, runners=0)):
                pass


async def test_a_part_that_dies_ends_the_service_loudly(house: ServiceHouse) -> None:
    watching = asyncio.create_task(house.service.watch())
    await asyncio.sleep(0)
    loops = [task for task in asyncio.all_tasks() if task.get_name() == "lease renewal"]
    loops[0].cancel()
    with pytest.raises(InternalError, match="lease renewal"):
        await asyncio.wait_for(watching, 60)


async def test_an_address_that_is_taken_is_named(house: ServiceHouse) -> None:
    port = int(house.url.rpartition(":")[2])
    with pytest.raises(BadSetting, match=f"127.0.0.1:{port}"):
        async with Listening(house.service, "127.0.0.1", port):
            pass


async def test_without_a_worker_jobs_wait_and_the_service_says_so(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", sandbox=True, sandbox_url="http://127.0.0.1:9")
    async with Service(settings, ServiceSettings(port=0, runners=0, drain_s=0.1)) as service:
        assert service.dispatcher.missing() == ["There is no worker."]
        assert service.dispatcher.object_infos("hosted") == []
