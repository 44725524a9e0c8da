"""After a purge nothing of the content is left: every file and every table is searched for its words and its bytes."""

from __future__ import annotations

import asyncio
import base64
import io
import logging
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from PIL import Image

from mintmark.generation.context import PICTURES
from mintmark.orchestrator.access.keys import KeyLimits
from mintmark.orchestrator.jobs.job import Job
from mintmark.orchestrator.jobs.states import State

from ..house import ServiceHouse
from ..webhooks.receiver import receiving
from .searching import fingerprints, found_in

WORDS = "a zebrafinch upon quartzlanterns"
MARKS = (b"zebrafinch", b"quartzlanterns")


async def content_of(house: ServiceHouse, job: Job, folder: Path) -> list[bytes]:
    """By what the job's content is known: its words, and pieces of every file that was made of it."""
    files = [house.service.assets.read(made.asset) for made in job.outputs]
    files += [path.read_bytes() for path in (folder / "data" / "sandbox" / "spool").glob("*/*")]
    files += [path.read_bytes() for path in (folder / "worker" / "output").rglob("*.png")]
    assert len(files) >= 3
    return [*MARKS, *(piece for data in files for piece in fingerprints(data))]


async def purged(house: ServiceHouse, job: Job) -> None:
    status, _ = await house.ask("DELETE", f"/v1/jobs/{job.job_id}")
    assert status == 204
    await house.service.forget_elsewhere()
    assert house.service.jobs.elsewhere() == []
    await asyncio.to_thread(house.service.scrub)


async def test_a_purged_job_leaves_no_byte_of_its_content(
    house: ServiceHouse, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="mintmark")
    kept = await house.run(values={"prompt": "a teapot"})
    job = await house.run(values={"prompt": WORDS}, metadata={"note": "zebrafinch"}, end_user="zebrafinch-fan")
    assert job.state is State.SUCCEEDED
    house.service.thumbnails.get(job.outputs[0].asset)
    marks = await content_of(house, job, tmp_path)
    before = found_in(tmp_path, marks)
    places = {name.split("/")[0] + "/" + name.split("/")[-1].split(".")[0][:6] for name in before}
    assert len(before) >= 4, places  # database, asset, spool, the worker's output
    await purged(house, job)
    assert found_in(tmp_path, marks_of(marks, house, kept)) == {}
    assert not [mark for mark in MARKS if mark.decode() in caplog.text]
    # What it cost is as it was, and so is everybody else's.
    left = await house.job(job.job_id)
    assert (left.purged, left.cost_microusd, left.receipts) == (True, job.cost_microusd, job.receipts)
    assert house.service.assets.exists(kept.outputs[0].asset)
    assert list((tmp_path / "worker" / "output").rglob("*.png"))


def marks_of(marks: list[bytes], house: ServiceHouse, kept: Job) -> list[bytes]:
    """Without what the other job's files have as well: certificates, and what all pictures of the sandbox share."""
    others = b"".join(house.service.assets.read(made.asset) for made in kept.outputs)
    left = [mark for mark in marks if mark not in others]
    assert len(left) > 20
    return left


def noise(seed: int) -> bytes:
    """A picture whose bytes are known again: nothing of it can be pressed together."""
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


async def ended(house: ServiceHouse, job_id: str) -> Job:
    job = await house.ended(job_id)
    assert job.state is State.SUCCEEDED, job.failure
    return job


async def test_a_picture_that_came_with_an_order_goes_with_its_job(house: ServiceHouse, tmp_path: Path) -> None:
    data = noise(1)
    url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    body = {"inputs": {"prompt": "night", "image": url, "model": "fal/flux-2-pro"}}
    status, made = await house.ask("POST", "/v1/workflows/edit-image/runs", body)
    assert status == 202, made
    job, pieces = await ended(house, made["job_id"]), fingerprints(data)
    places = " ".join(found_in(tmp_path, pieces))
    assert "assets/" in places
    assert f"worker/input/{PICTURES}/" in places  # where the link brought it
    await purged(house, job)
    assert found_in(tmp_path, pieces) == {}


async def test_the_mask_of_an_edit_goes_too_and_what_it_was_made_of_before(house: ServiceHouse, tmp_path: Path) -> None:
    image, mask = noise(2), io.BytesIO()
    Image.fromarray(np.random.default_rng(3).integers(0, 256, (64, 64, 4), np.uint8), "RGBA").save(mask, "PNG")
    form = aiohttp.FormData({"prompt": "night"})
    form.add_field("image", image, filename="a.png", content_type="image/png")
    form.add_field("mask", mask.getvalue(), filename="m.png", content_type="image/png")
    async with house.session.post(f"{house.url}/openai/v1/images/edits", data=form) as reply:
        assert reply.status == 200, await reply.text()
        job_id = reply.headers["x-request-id"]
    job = await ended(house, job_id)
    house.service.forget_assets(house.service.jobs.forgotten())  # as upkeep does, every few seconds
    pieces = [*fingerprints(image), *fingerprints(mask.getvalue())]
    assert found_in(tmp_path, pieces) == {}
    assert len(job.ordered.images) == 1
    await purged(house, job)
    digests = [each.name for each in (tmp_path / "worker" / "input").rglob("*.png")]
    assert digests == []


async def test_for_whom_it_was_and_where_it_was_told_is_gone_too(house: ServiceHouse, tmp_path: Path) -> None:
    limits = KeyLimits(user_spend_per_day_microusd=10_000_000, user_velocity=100.0)
    _, token = house.service.access.keys.create(
        scopes=["submit", "read", "admin"], project="acme", user="shop", limits=limits
    )
    headers = {"Authorization": f"Bearer {token}"}
    async with receiving() as receiver:
        body = {"inputs": {"prompt": "a teapot"}, "user": "zebrafinch-fan"}
        body["webhook_url"] = f"{receiver.url}/hook?customer=quartzlanterns"
        _, made = await house.ask("POST", "/v1/workflows/text-to-image/runs", body, headers=headers)
        job = await ended(house, made["job_id"])
        await receiver.wait()
        while [each.state for each in house.service.webhooks.deliveries()] != ["delivered"]:
            await asyncio.sleep(0.01)
    which = {"user": "zebrafinch-fan", "dry_run": False}
    status, told = await house.ask("POST", "/v1/purges", which, headers=headers)
    assert (status, told["purged"]) == (200, [job.job_id])
    await house.service.access.tend()
    await house.service.forget_elsewhere()
    await asyncio.to_thread(house.service.scrub)
    assert found_in(tmp_path, MARKS) == {}


async def test_what_a_worker_could_not_be_told_it_is_told_when_it_is_back(house: ServiceHouse, tmp_path: Path) -> None:
    job = await house.run(values={"prompt": WORDS})
    saved = list((tmp_path / "worker" / "output").rglob("*.png"))
    worker = house.service.workers[0]
    worker.state, was = "down", worker.state
    house.service.jobs.purge(job.job_id)
    await house.service.forget_elsewhere()
    assert [each.place for each in house.service.jobs.elsewhere()] == [worker.name]
    assert all(path.exists() for path in saved)
    worker.state = was
    await house.service.forget_elsewhere()
    assert house.service.jobs.elsewhere() == []
    assert not any(path.exists() for path in saved)


async def test_a_worker_lets_go_of_what_it_has_in_memory_after_each_job_not_after_all(
    house: ServiceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [await house.run(values={"prompt": f"{WORDS} {n}"}) for n in range(2)]
    link = house.service.workers[0].link
    told: list[str] = []
    forget, free = link.forget, link.free

    async def forgotten(job_id: str, inputs: Sequence[str]) -> None:
        told.append(job_id)
        await forget(job_id, inputs)

    async def freed() -> None:
        told.append("free")
        await free()

    monkeypatch.setattr(link, "forget", forgotten)
    monkeypatch.setattr(link, "free", freed)
    for each in jobs:
        house.service.jobs.purge(each.job_id)
    await house.service.forget_elsewhere()
    assert sorted(told[::2]) == sorted(each.job_id for each in jobs)
    assert told[1::2] == ["free", "free"]
