"""A batch over lines that break: no job is made twice, each order is answered once."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from mintmark.client import Client, Job, Order, transport
from mintmark.errors import InvalidInput, MintmarkError, QueueFull, RequestTooLarge, ServiceUnreachable
from mintmark.orchestrator.jobs.base import Filter
from mintmark.tests.faultproxy.plan import Plan, Rule
from mintmark.tests.faultproxy.proxy import FaultProxy
from mintmark.tests.orchestrator.house import ServiceHouse, service_house

from .scripted import BUSY, GATEWAY, Said, Scripted

BATCH = "/v1/batches"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_MOST_PAUSE_S", 0.01)


def orders(count: int) -> list[Order]:
    inputs = {"width": 64, "height": 64}
    return [Order(workflow="text-to-image", inputs={"prompt": f"fox {n}", **inputs}) for n in range(count)]


def told(*became: Any, rest: bytes = b"", cut: bool = False, after_s: float | None = None) -> Said:
    """The answer to a batch: a job's id, or the code of what is wrong with its line. ``after_s``: when to come back."""
    wrong = {"status": 429, "detail": "No.", **({} if after_s is None else {"retry_after_s": after_s})}
    lines = [
        {"line": number, "job_id": each, "status": "queued"}
        if each.startswith("job")
        else {"line": number, "problem": {"code": each, **wrong}}
        for number, each in enumerate(became, 1)
    ]
    whole = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    return Said(body=whole + rest, kind="application/x-ndjson", cut=cut)


def names(answers: list[Job | MintmarkError]) -> list[str]:
    return [each.job_id if isinstance(each, Job) else each.code for each in answers]


async def test_a_batch_that_is_cut_again_and_again_makes_each_job_once(house: ServiceHouse) -> None:
    await asyncio.to_thread(house.service.jobs.pause, paused=True)
    plan = Plan((Rule("POST *", {"cut_answer": 0.4, "drop_answer": 0.1, "error_after": 0.1}),))
    async with FaultProxy.before(house.url, seed=7, plan=plan) as line, Client(line.url) as client:
        for _ in range(4):
            answers = [each async for each in client.batch(orders(40))]
            assert len({each.job_id for each in answers if isinstance(each, Job)}) == 40 == len(answers)
    assert line.log, "nothing was cut"
    jobs = await asyncio.to_thread(house.service.jobs.find, Filter(), limit=500)
    assert len(jobs) == 160


async def test_lines_as_the_http_batch_has_them_are_orders_too_and_what_is_none_sends_nothing(
    service: Scripted,
) -> None:
    service.says(BATCH, told("job-1", "job-2"))
    lines = [each.model_dump() for each in orders(2)]
    async with Client(service.url) as client:
        assert names([each async for each in client.batch(lines)]) == ["job-1", "job-2"]
        with pytest.raises(InvalidInput, match="Order 2 of the batch: workflow"):
            [each async for each in client.batch([*lines[:1], {"inputs": {}}])]
    assert len(service.heard[BATCH]) == 1


async def test_what_was_answered_is_not_asked_again(service: Scripted) -> None:
    """One that was refused may be taken in now, and nobody would learn of its job."""
    service.says(BATCH, GATEWAY, told("job-1", "queue_full", rest=b'{"line": 3, "jo', cut=True), BUSY)
    service.says(BATCH, told("idempotency_mismatch", "invalid_input", "job-3", "job-4"))
    async with Client(service.url) as client:
        answers = [each async for each in client.batch(orders(4))]
    assert names(answers) == ["job-1", "queue_full", "job-3", "job-4"]
    assert isinstance(answers[1], QueueFull)
    sent = [body.splitlines() for body, _ in service.heard[BATCH]]
    assert sent[-1] == [b"{}", b"{}", *sent[0][2:]]
    assert len({headers["Idempotency-Key"] for _, headers in service.heard[BATCH]}) == 1


async def test_answers_that_end_too_early_are_no_end(service: Scripted) -> None:
    service.says(BATCH, told("job-1"), told("job-1", "job-2"))
    async with Client(service.url) as client:
        assert names([each async for each in client.batch(orders(2))]) == ["job-1", "job-2"]


async def test_what_does_not_get_on_is_given_up(service: Scripted) -> None:
    service.says(BATCH, told("job-1", cut=True))
    async with Client(service.url) as client:
        with pytest.raises(ServiceUnreachable):
            [each async for each in client.batch(orders(2))]
    assert len(service.heard[BATCH]) == transport.TRIES


async def test_what_is_behind_the_end_of_a_batch_is_refused_with_it(service: Scripted) -> None:
    service.says(BATCH, told("job-1", "request_too_large"))
    async with Client(service.url) as client:
        answers = [each async for each in client.batch(orders(4))]
    assert [type(each) for each in answers] == [Job, *[RequestTooLarge] * 3]


async def test_with_a_key_of_ones_own_a_batch_goes_on_in_another_process(house: ServiceHouse) -> None:
    await asyncio.to_thread(house.service.jobs.pause, paused=True)
    async with Client(house.url) as client:
        first = [each async for each in client.batch(orders(2), idempotency_key="postcards")]
    async with Client(house.url) as client:
        again = [each async for each in client.batch(orders(3), idempotency_key="postcards")]
    assert names(again)[:2] == names(first)
    assert len({*names(again)}) == 3 == len(await asyncio.to_thread(house.service.jobs.find, Filter()))


async def test_a_line_may_name_its_version(house: ServiceHouse) -> None:
    await asyncio.to_thread(house.service.jobs.pause, paused=True)
    order = orders(1)[0].model_copy(update={"workflow": "text-to-image@^1"})
    async with Client(house.url) as client:
        (answer,) = [each async for each in client.batch([order])]
    assert isinstance(answer, Job)


async def test_what_a_full_queue_keeps_out_is_sent_again_and_told_in_its_place(service: Scripted) -> None:
    service.says(BATCH, told("job-1", "queue_full", "job-3", "too_many_requests", "job-5", after_s=0))
    service.says(BATCH, told("idempotency_mismatch", "job-2", "idempotency_mismatch", "queue_full", after_s=0))
    service.says(BATCH, told(*["idempotency_mismatch"] * 3, "job-4"))
    async with Client(service.url) as client:
        answers = [each async for each in client.batch(orders(5))]
    assert names(answers) == ["job-1", "job-2", "job-3", "job-4", "job-5"]
    first, second, third = [body.splitlines() for body, _ in service.heard[BATCH]]
    assert second == [b"{}", first[1], b"{}", first[3]]
    assert third == [b"{}", b"{}", b"{}", first[3]]
    assert len({headers["Idempotency-Key"] for _, headers in service.heard[BATCH]}) == 1


async def test_what_comes_before_is_told_while_the_rest_waits(service: Scripted) -> None:
    service.says(BATCH, told("job-1", "queue_full", after_s=0.5), told("idempotency_mismatch", "job-2"))
    async with Client(service.url) as client:
        answers = client.batch(orders(2))
        assert names([await anext(answers)]) == ["job-1"]
        assert len(service.heard[BATCH]) == 1
        assert names([each async for each in answers]) == ["job-2"]


async def test_a_queue_that_stays_full_is_told_in_the_end(service: Scripted) -> None:
    service.says(BATCH, told("job-1", "queue_full", "job-3", after_s=0))
    service.says(BATCH, told("idempotency_mismatch", "queue_full", after_s=0))
    async with Client(service.url) as client:
        answers = [each async for each in client.batch(orders(3))]
    assert names(answers) == ["job-1", "queue_full", "job-3"]
    assert len(service.heard[BATCH]) == transport.TRIES


async def test_what_will_take_long_is_told_at_once(service: Scripted) -> None:
    """A key that is held is held until an admin has looked."""
    service.says(BATCH, told("too_many_requests", "job-2", after_s=600))
    async with Client(service.url) as client:
        assert names([each async for each in client.batch(orders(2))]) == ["too_many_requests", "job-2"]
    assert len(service.heard[BATCH]) == 1


async def test_a_line_that_is_cut_for_good_leaves_told_what_is_known(service: Scripted) -> None:
    service.says(BATCH, told("job-1", "queue_full", "job-3", after_s=0, cut=True))
    async with Client(service.url) as client:
        answers = client.batch(orders(4))
        assert names([await anext(answers) for _ in range(3)]) == ["job-1", "queue_full", "job-3"]
        with pytest.raises(ServiceUnreachable):
            await anext(answers)


async def test_lines_that_wait_for_room_in_the_queue_make_each_job_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue takes two at a time; each round that gets some in begins a new row of tries."""
    monkeypatch.setattr(transport, "_MOST_WAIT_S", 0.01)
    async with service_house(tmp_path, queued_per_key=2) as house, Client(house.url) as client:
        await asyncio.to_thread(house.service.jobs.pause, paused=True)
        answers: list[Job | MintmarkError] = []
        async for each in client.batch(orders(7)):
            answers.append(each)
            if len(answers) % 2 == 0:
                for taken in answers[-2:]:
                    assert isinstance(taken, Job)
                    await client.cancel(taken)
        jobs = await asyncio.to_thread(house.service.jobs.find, Filter(), limit=100)
    assert sorted(names(answers)) == sorted(job.job_id for job in jobs)
    assert len({*names(answers)}) == 7
