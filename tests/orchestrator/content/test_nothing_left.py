"""After a purge nothing of the content is left: every file and every table is searched for its words and its bytes."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from mintmark.orchestrator.jobs.job import Job
from mintmark.orchestrator.jobs.states import State

from ..house import ServiceHouse
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
