"""What every link to a worker must do: ``orchestrator/link/base.py`` says it, this suite holds a link to that.

Use: star-import the tests and give the fixture ``link``, an open link to a worker in sandbox mode that has the pack and
ComfyUI's own ``EmptyImage`` and ``SaveImage``, and whose sandbox takes a second or more over a picture.
"""

from __future__ import annotations

import asyncio
import uuid
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from mintmark.errors import (
    AllowanceExhausted,
    Canceled,
    ContextMissing,
    UnknownJob,
    WorkerLost,
    WorkerModeMismatch,
    WorkerRefused,
)
from mintmark.generation.context import JobContext
from mintmark.orchestrator.link.base import Link
from mintmark.orchestrator.link.events import JournalGrew, NodeStarted, WorkerEvent
from mintmark.orchestrator.link.protocol import History, OutputFile

Graph = dict[str, Any]


def plain(colour: int = 0x146E5A) -> Graph:
    """A picture of one colour, from nodes that are not ours."""
    return {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": colour}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": f"link/{uuid.uuid4().hex}"}},
    }


def hosted() -> Graph:
    """A picture that a provider takes its time over, signed."""
    asked = {"prompt": "a paper boat", "model": "fal/flux-schnell", "width": 256, "height": 256}
    return {
        "1": {"class_type": "MintmarkTextToImage", "inputs": {**asked, "seed": uuid.uuid4().int % 2**31}},
        "2": {
            "class_type": "MintmarkSignAndSave",
            "inputs": {"images": ["1", 0], "record": ["1", 1], "filename_prefix": "link/boat"},
        },
    }


def context(allowance_microusd: int = 1_000_000, **changes: Any) -> JobContext:
    facts = {"job_id": str(uuid.uuid4()), "mode": "sandbox", "allowance_microusd": allowance_microusd, **changes}
    return JobContext.model_validate(facts)


async def run(link: Link, graph: Graph, job: JobContext) -> tuple[History, list[WorkerEvent]]:
    """A job from its context to its end, and what was heard."""
    heard: list[WorkerEvent] = []
    async with link.gate.place(), link.listen() as listening:
        health = await link.open_job(job)
        await link.submit(job.job_id, graph, {})
        return await link.follow(job.job_id, listening, heard.append, boot_id=health.boot_id), heard


async def test_the_worker_says_what_it_is(link: Link) -> None:
    health = await link.health()
    assert health.mode == "sandbox"
    assert health.boot_id == (await link.health()).boot_id
    assert "MintmarkTextToImage" in str(await link.object_info("MintmarkTextToImage"))
    assert await link.object_info("NoSuchNode") == {}


async def test_a_job_runs_from_its_context_to_its_files(link: Link) -> None:
    job = context()
    assert await link.state(job.job_id) is None
    history, _ = await run(link, plain(0x146E5A), job)
    assert (history.status, history.error) == ("success", None)
    assert await link.state(job.job_id) == "completed"
    assert await link.history(job.job_id) == history
    [file] = history.files
    with Image.open(BytesIO(await link.fetch(file))) as picture:
        assert (picture.size, picture.getpixel((0, 0))) == ((64, 64), (0x14, 0x6E, 0x5A))


async def test_what_happens_is_heard_and_the_books_say_the_same(link: Link) -> None:
    job = context()
    history, heard = await run(link, hosted(), job)
    assert history.error is None
    assert any(isinstance(event, NodeStarted) for event in heard)
    told = [event.entry["kind"] for event in heard if isinstance(event, JournalGrew)]
    assert {"held", "asking", "settled"} <= set(told)
    page = await link.journal(0, job.job_id)
    assert {entry.kind for entry in page.entries} >= set(told)
    assert (await link.journal(page.next, job.job_id)).entries == ()
    report = await link.close_job(job.job_id)
    assert [receipt.state for receipt in report.receipts] == ["settled"]
    assert report.allowance.settled_microusd == report.receipts[0].microusd > 0


async def test_a_prompt_that_is_submitted_again_runs_once(link: Link) -> None:
    job = context()
    async with link.gate.place(), link.listen() as listening:
        await link.open_job(job)
        for _ in range(3):
            await link.submit(job.job_id, hosted(), {})
        await link.follow(job.job_id, listening, lambda event: None)
    await link.submit(job.job_id, hosted(), {})
    assert len((await link.report(job.job_id)).receipts) == 1


async def test_a_graph_that_does_not_validate_is_refused_and_nothing_runs(link: Link) -> None:
    job = context()
    await link.open_job(job)
    broken = {**plain(), "9": {"class_type": "SaveImage", "inputs": {"images": ["7", 0], "filename_prefix": "x"}}}
    with pytest.raises(WorkerRefused):
        await link.submit(job.job_id, broken, {})
    # A worker may have begun with the half that is valid: it is stopped.
    while await link.state(job.job_id) in ("pending", "in_progress"):
        await asyncio.sleep(0.01)


async def test_a_job_that_is_stopped_is_canceled_and_pays_nothing(link: Link) -> None:
    job = context()
    async with link.gate.place(), link.listen() as listening:
        await link.open_job(job)
        await link.submit(job.job_id, hosted(), {})
        asked = asyncio.Event()

        def hear(event: WorkerEvent) -> None:
            if isinstance(event, JournalGrew) and event.entry["kind"] == "accepted":
                asked.set()

        following = asyncio.create_task(link.follow(job.job_id, listening, hear), name="following")
        await asyncio.wait_for(asked.wait(), 60)
        await link.cancel(job.job_id)
        await link.cancel(job.job_id)
        history = await asyncio.wait_for(following, 60)
    assert isinstance(history.error, Canceled)
    report = await link.close_job(job.job_id)
    assert (report.allowance.held_microusd, report.allowance.settled_microusd) == (0, 0), report


async def test_stopping_what_is_over_or_not_known_is_harmless(link: Link) -> None:
    job = context()
    await run(link, plain(), job)
    await link.cancel(job.job_id)
    await link.cancel(str(uuid.uuid4()))
    assert await link.state(job.job_id) == "completed"


async def test_a_node_s_failure_comes_with_its_code(link: Link) -> None:
    history, _ = await run(link, hosted(), context(allowance_microusd=1))
    assert history.status == "error"
    assert isinstance(history.error, AllowanceExhausted)


async def test_a_prompt_of_ours_without_its_context_is_not_run(link: Link) -> None:
    job_id = str(uuid.uuid4())
    async with link.gate.place(), link.listen() as listening:
        await link.submit(job_id, hosted(), {})
        history = await link.follow(job_id, listening, lambda event: None)
    assert isinstance(history.error, ContextMissing)


async def test_a_job_of_the_other_mode_is_refused(link: Link) -> None:
    with pytest.raises(WorkerModeMismatch):
        await link.open_job(context(mode="live"))


async def test_a_closed_job_spends_nothing_more_and_can_be_closed_again(link: Link) -> None:
    job = context()
    await link.open_job(job)
    assert await link.close_job(job.job_id) == await link.close_job(job.job_id) == await link.report(job.job_id)
    with pytest.raises(UnknownJob):
        await link.report(str(uuid.uuid4()))


async def test_an_uploaded_picture_is_found_by_a_node(link: Link) -> None:
    file = BytesIO()
    Image.new("RGB", (32, 16), (200, 30, 60)).save(file, "PNG")
    name = await link.upload(f"{uuid.uuid4().hex}.png", file.getvalue(), "image/png")
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "link/uploaded"}},
    }
    history, _ = await run(link, graph, context())
    with Image.open(BytesIO(await link.fetch(history.files[0]))) as picture:
        assert (picture.size, picture.getpixel((0, 0))) == ((32, 16), (200, 30, 60))


async def test_a_file_that_is_not_there_is_lost_and_named(link: Link) -> None:
    with pytest.raises(WorkerLost, match="gone"):
        await link.fetch(OutputFile("gone.png", "", "output", "1", "images"))


async def test_a_job_that_the_worker_does_not_know_is_lost(link: Link) -> None:
    async with link.listen() as listening:
        with pytest.raises(WorkerLost):
            await link.follow(str(uuid.uuid4()), listening, lambda event: None)
