"""What is begun while an order is on its way to the disk comes to nothing where the order does."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from mintmark.errors import DiskFull, WorkerUnreachable
from mintmark.orchestrator.dispatch.news import JobEnding
from mintmark.orchestrator.jobs.base import Filter
from mintmark.orchestrator.jobs.change import Change
from mintmark.orchestrator.jobs.job import Ordered
from mintmark.orchestrator.jobs.states import State

from ..house import ServiceHouse

T = TypeVar("T")
PLAIN = "/v1/workflows/one-colour/runs"
WAIT = {"Prefer": "wait=20"}


def plain(**changes: Any) -> dict[str, Any]:
    """A workflow that asks nobody."""
    image = {"width": 64, "height": 64, "batch_size": 1, "color": 7}
    return {
        "format": 1,
        "name": "one-colour",
        "version": "1.0.0",
        "title": "One colour",
        "lane": "hosted",
        "inputs": [
            {
                "name": "color",
                "type": "integer",
                "title": "Colour",
                "default": 7,
                "limits": {"min": 0, "max": 16777215},
                "binds": [{"node": "1", "input": "color"}],
            }
        ],
        "outputs": [{"name": "image", "node": "2", "kind": "images"}],
        "requires": {"nodes": ["EmptyImage", "SaveImage"]},
        "graph": {
            "1": {"class_type": "EmptyImage", "inputs": image},
            "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "plain"}},
        },
        **changes,
    }


@pytest.fixture
async def flat(house: ServiceHouse) -> ServiceHouse:
    """A house whose runner is up, with a workflow that asks nobody."""
    await asyncio.to_thread(house.service.releases.publish, plain())
    while house.service.dispatcher.missing():
        await asyncio.sleep(0.02)
    return house


def before_the_disk(house: ServiceHouse, monkeypatch: pytest.MonkeyPatch, what: Callable[[], None]) -> None:
    """Have this happen whenever all is written and only the disk is waited for."""
    jobs = house.service.jobs
    transact = jobs._transact

    def slow(work: Callable[[Change], T], written: Callable[[T], None] | None = None) -> T:
        def then(result: T) -> None:
            if written is not None:
                written(result)
                what()

        return transact(work, then)

    monkeypatch.setattr(jobs, "_transact", slow)


async def posted(house: ServiceHouse) -> dict[str, Any]:
    """What the runner has had."""
    async with house.session.get(f"{house.runner.url}/history") as reply:
        return dict(await reply.json())


async def forgotten(house: ServiceHouse) -> None:
    """Wait until nothing runs, and the runner knows nothing of what did."""
    [worker] = house.service.workers
    while worker.running or await posted(house):
        await asyncio.sleep(0.02)


async def test_a_prompt_that_asks_nobody_is_posted_while_the_disk_is_waited_for(
    flat: ServiceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_the_disk(flat, monkeypatch, lambda: time.sleep(0.5))
    asked = asyncio.create_task(flat.ask("POST", PLAIN, {"inputs": {"color": 5}}, headers=WAIT))
    while not await posted(flat):
        await asyncio.sleep(0.01)
    assert await asyncio.to_thread(flat.service.jobs.find, Filter()) == []
    status, job = await asked
    assert (status, job["status"], job["attempt"]) == (200, "succeeded", 1)
    assert list(await posted(flat)) == [job["job_id"]]


async def test_where_the_disk_fails_nothing_is_left_of_it_and_the_next_job_runs(
    flat: ServiceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        time.sleep(0.3)
        raise DiskFull("no room")

    with monkeypatch.context() as patched:
        before_the_disk(flat, patched, full)
        status, problem = await flat.ask("POST", PLAIN, {"inputs": {"color": 5}}, headers=WAIT)
    assert (status, problem["code"]) == (503, "disk_full")
    assert await asyncio.to_thread(flat.service.jobs.find, Filter()) == []
    await asyncio.wait_for(forgotten(flat), 10)
    status, job = await flat.ask("POST", PLAIN, {"inputs": {"color": 6}}, headers=WAIT)
    assert (status, job["status"]) == (200, "succeeded")


async def test_a_prompt_that_asks_somebody_waits_for_the_disk(
    flat: ServiceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        time.sleep(0.5)
        raise DiskFull("no room")

    before_the_disk(flat, monkeypatch, full)
    inputs = {"prompt": "a teapot", "width": 256, "height": 256}
    status, _ = await flat.ask("POST", "/v1/workflows/text-to-image/runs", {"inputs": inputs}, headers=WAIT)
    assert status == 503
    assert (await posted(flat), await flat.calls()) == ({}, [])


async def test_leases_that_the_store_does_not_know_yet_are_not_asked_about(
    flat: ServiceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_the_disk(flat, monkeypatch, lambda: time.sleep(1.5))  # longer than between two renewals
    status, job = await flat.ask("POST", PLAIN, {"inputs": {"color": 5}}, headers=WAIT)
    assert (status, job["status"], job["attempt"]) == (200, "succeeded", 1)


async def test_nobody_is_told_of_an_end_before_the_disk_has_it(
    flat: ServiceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_the_disk(flat, monkeypatch, lambda: time.sleep(0.5))
    async with flat.service.news.listen(None, JobEnding) as facts:
        asked = asyncio.create_task(flat.ask("POST", PLAIN, {"inputs": {"color": 5}}, headers=WAIT))
        fact = await facts.next(20)
    assert isinstance(fact, JobEnding) and not asked.done()
    _, told = await flat.ask("GET", f"/v1/jobs/{fact.job_id}")
    assert told["status"] == "running"
    status, job = await asked
    assert (status, job["status"], job["job_id"]) == (200, "succeeded", fact.job_id)


async def test_where_an_end_cannot_be_written_the_job_goes_on_and_its_answer_is_not_given(
    flat: ServiceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[str] = []

    def full_at_the_end() -> None:
        failed.append("x")
        if len(failed) == 2:  # the first is its order
            raise DiskFull("no room")

    before_the_disk(flat, monkeypatch, full_at_the_end)
    status, job = await flat.ask("POST", PLAIN, {"inputs": {"color": 5}}, headers={"Prefer": "wait=2"})
    assert (status, job["status"]) == (202, "queued")
    _, told = await flat.ask("GET", f"/v1/jobs/{job['job_id']}")
    assert told["status"] == "running"


async def test_single_orders_beside_a_batch_are_all_run_whoever_claims_them(flat: ServiceHouse) -> None:
    one = flat.order("one-colour", values={"color": 1})

    def orders(count: int) -> list[Ordered]:
        return [one.model_copy(update={"job_id": str(uuid.uuid4())}) for _ in range(count)]

    for _ in range(8):
        batch, singles = orders(2), orders(6)
        await asyncio.to_thread(flat.service.jobs.accept_many, batch)
        flat.service.news.wake()
        # Each claims what is next, which is one of the batch, and its own may be claimed by somebody else.
        await asyncio.gather(*(flat.service.dispatcher.accept(each) for each in singles))
        for each in (*batch, *singles):
            assert (await flat.ended(each.job_id, 20)).state is State.SUCCEEDED


def no_room() -> None:
    time.sleep(0.3)
    raise DiskFull("no room")


def pictures(house: ServiceHouse) -> list[str]:
    """Names of what the runner saved and has."""
    return sorted(path.name for path in house.runner.paths.output.rglob("*.png"))


async def undone(house: ServiceHouse, monkeypatch: pytest.MonkeyPatch, color: int) -> None:
    """An order that comes to nothing, with all that is forgotten of it."""
    before = len(await posted(house))
    with monkeypatch.context() as patched:
        before_the_disk(house, patched, no_room)
        status, _ = await house.ask("POST", PLAIN, {"inputs": {"color": color}}, headers=WAIT)
    assert status == 503
    [worker] = house.service.workers
    while worker.running or len(await posted(house)) > before:
        await asyncio.sleep(0.02)


async def test_the_same_order_again_after_the_disk_failed_is_made_at_the_first_try(
    flat: ServiceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    await undone(flat, monkeypatch, 5)
    assert pictures(flat) == []
    status, job = await flat.ask("POST", PLAIN, {"inputs": {"color": 5}}, headers=WAIT)
    assert (status, job["status"], job["attempt"]) == (200, "succeeded", 1)


async def test_what_an_undone_order_shared_with_an_earlier_job_stays_with_that(
    flat: ServiceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    await flat.ask("POST", PLAIN, {"inputs": {"color": 5}}, headers=WAIT)
    [name] = pictures(flat)
    await undone(flat, monkeypatch, 5)
    assert pictures(flat) == [name]
    await undone(flat, monkeypatch, 6)
    assert pictures(flat) == [name]


async def test_an_order_that_is_there_is_confirmed_and_its_prompt_stays(
    flat: ServiceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirmed: list[str] = []
    confirm = flat.runner.prompts.confirm
    monkeypatch.setattr(flat.runner.prompts, "confirm", lambda ids: (confirmed.extend(ids), confirm(ids)))
    jobs = [(await flat.ask("POST", PLAIN, {"inputs": {"color": n}}, headers=WAIT))[1]["job_id"] for n in range(3)]
    early = set(flat.runner.prompts.early)
    while len(flat.runner.prompts.early):
        await asyncio.sleep(0.02)
    assert early <= set(confirmed) <= set(jobs)
    assert set(await posted(flat)) == set(jobs)


async def test_where_nobody_can_forget_an_undone_order_its_runner_takes_it_back(
    flat: ServiceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(job_id: str, inputs: Any) -> None:
        raise WorkerUnreachable("No worker answers.")

    [worker] = flat.service.workers
    monkeypatch.setattr(worker.link, "forget", away)
    monkeypatch.setattr("mintmark.runner.early.CONFIRM_S", 2.0)
    await undone(flat, monkeypatch, 5)
    assert (await posted(flat), pictures(flat)) == ({}, [])


async def test_the_idle_line_of_a_worker_keeps_nothing_of_what_comes(flat: ServiceHouse) -> None:
    [worker] = flat.service.workers
    [line] = worker.link._socket._listeners
    while not flat.runner.host._fanout.packs(worker.link.client_id):
        await asyncio.sleep(0.01)
    flat.runner.host._fanout.preview(b"jpeg", "1", str(uuid.uuid4()), worker.link.client_id)
    status, _ = await flat.ask("POST", PLAIN, {"inputs": {"color": 5}}, headers=WAIT)
    assert status == 200
    assert not line._messages
