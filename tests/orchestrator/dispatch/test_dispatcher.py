"""Jobs through the real dispatcher: ended, stopped, tried again where that is worth it, told of meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mintmark.clock import utc_now
from mintmark.errors import NodeFailed, WorkerUnreachable
from mintmark.generation.context import Receipt
from mintmark.orchestrator.dispatch import run
from mintmark.orchestrator.dispatch.news import JobChanged, Progressed
from mintmark.orchestrator.dispatch.run import Run, Stop, is_paid
from mintmark.orchestrator.jobs.job import Job
from mintmark.orchestrator.jobs.states import State, Step

from ..house import ServiceHouse, service_house


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[ServiceHouse]:
    """Its providers take their time, so that there is something to stop."""
    async with service_house(tmp_path, latency_s=30.0, drain_s=0.1) as opened:
        yield opened


async def kinds(house: ServiceHouse, job_id: str) -> list[str]:
    return [each.kind for each in await asyncio.to_thread(house.service.jobs.events, job_id)]


async def running(house: ServiceHouse, job: Job) -> None:
    """Wait until the provider was asked."""
    async with house.service.news.listen(job.job_id) as facts:
        while not await house.calls():
            await facts.next(0.05)


def nothing_is_held(house: ServiceHouse) -> bool:
    return house.service.ledger.totals().set_aside_microusd == 0


async def test_a_job_is_told_of_while_it_runs(house: ServiceHouse) -> None:
    async with house.service.news.listen(None) as facts:
        job = await house.run()
        told = []
        while (fact := await facts.next(0.05)) is not None:
            told.append(fact)
    assert job.state is State.SUCCEEDED
    assert await kinds(house, job.job_id) == ["queued", "claimed", "succeeded"]
    assert sum(isinstance(fact, JobChanged) for fact in told) >= 2
    fractions = [fact.fraction for fact in told if isinstance(fact, Progressed)]
    assert fractions == sorted(fractions) and fractions


async def test_forty_jobs_at_once_all_end_well(house: ServiceHouse) -> None:
    jobs = [await house.submit(values={"prompt": f"teapot {number}"}) for number in range(40)]
    ended = [await house.ended(job.job_id) for job in jobs]
    assert {job.state for job in ended} == {State.SUCCEEDED}
    assert sum(job.cost_microusd for job in ended) == (await house.bill())["total_microusd"]
    assert nothing_is_held(house)


async def test_a_worker_that_was_too_small_is_named_where_there_is_no_larger_one(
    house: ServiceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def bring(*_: object) -> None:
        raise NodeFailed("KSampler (node 3) failed: CUDA out of memory.")

    monkeypatch.setattr(house.service.dispatcher._kit.delivery, "bring", bring)
    job = await house.run()
    assert (job.state, job.attempt) == (State.FAILED, 1)
    assert job.failure is not None and job.failure.code == "node_failed"
    [worker] = house.service.workers
    assert job.failure.hint.startswith(f"{worker.name} ran out of memory, and no worker with more is there")


async def test_what_is_paid_for_is_fetched_though_its_worker_was_away_a_while(
    house: ServiceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = house.service.dispatcher._kit.delivery
    bring, away = delivery.bring, 3

    async def patchy(*given: Any) -> Any:
        nonlocal away
        away -= 1
        if away >= 0:
            raise WorkerUnreachable("The worker broke off.")
        return await bring(*given)

    monkeypatch.setattr(delivery, "bring", patchy)
    monkeypatch.setattr(run, "SETTLE_AGAIN_S", 0.0)
    job = await house.run()
    assert (job.state, job.attempt, away) == (State.SUCCEEDED, 1, -1)


async def test_a_running_job_that_is_canceled_stops_and_gives_its_money_back(slow: ServiceHouse) -> None:
    job = await slow.submit()
    await running(slow, job)
    await asyncio.to_thread(slow.service.jobs.cancel, job.job_id)
    slow.service.dispatcher.look()
    ended = await slow.ended(job.job_id, 20)
    assert (ended.state, ended.outcome) == (State.CANCELED, Step.CANCELED)
    assert nothing_is_held(slow)


async def test_a_job_whose_deadline_passes_while_it_runs_fails_with_that(slow: ServiceHouse) -> None:
    job = await slow.submit(deadline=utc_now() + timedelta(seconds=1))
    ended = await slow.ended(job.job_id, 20)
    assert (ended.state, ended.outcome) == (State.FAILED, Step.DEADLINE_PASSED)
    assert ended.failure is not None and ended.failure.code == "deadline_passed"
    assert nothing_is_held(slow)


async def test_a_waiting_job_whose_deadline_passes_fails_without_having_run(house: ServiceHouse) -> None:
    await asyncio.to_thread(house.service.jobs.pause, paused=True)
    job = await house.submit(deadline=utc_now() + timedelta(seconds=0.3))
    ended = await house.ended(job.job_id, 10)
    assert (ended.state, ended.attempt) == (State.FAILED, 0)
    assert await house.calls() == []


async def test_a_provider_s_fault_that_cost_nothing_is_tried_again(house: ServiceHouse) -> None:
    await house.fail({"provider": "fal", "kind": "status", "status": 503, "count": 2})
    ended = await house.run()
    assert ended.state is State.SUCCEEDED, ended.failure
    assert ended.attempt > 1
    assert "requeued" in await kinds(house, ended.job_id)
    assert ended.cost_microusd == (await house.bill())["total_microusd"]
    assert nothing_is_held(house)


async def test_what_a_policy_blocks_is_never_tried_again(house: ServiceHouse) -> None:
    ended = await house.run(values={"prompt": "a naked child"})
    assert (ended.state, ended.attempt) == (State.FAILED, 1)
    assert ended.failure is not None and ended.failure.code == "prompt_blocked"
    assert nothing_is_held(house)


async def test_a_graph_that_the_worker_refuses_is_never_tried_again(house: ServiceHouse) -> None:
    ended = await house.run(values={"model": "nobody/nothing"})
    assert (ended.state, ended.attempt) == (State.FAILED, 1)


async def test_a_stop_leaves_what_runs_for_the_next_process(tmp_path: Path) -> None:
    async with service_house(tmp_path, latency_s=2.0, drain_s=0.1) as house:
        job = await house.submit()
        await running(house, job)
        await house.service.dispatcher.__aexit__(None, None, None)
        left = await house.job(job.job_id)
        assert left.state is State.RUNNING


async def test_who_cancels_while_a_failure_is_written_down_does_not_keep_it_from_that(
    house: ServiceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    booking, booked = asyncio.Event(), asyncio.Event()

    async def settled(self: Run, **_: bool) -> bool:
        booking.set()
        await booked.wait()
        return True

    monkeypatch.setattr(Run, "_settled", settled)
    job = await house.submit(values={"model": "nobody/nothing"})
    await booking.wait()
    [loop] = house.service.dispatcher._loops.values()
    loop.stop(job.job_id, Stop.CANCELED)
    await asyncio.sleep(0)
    booked.set()
    assert (await house.ended(job.job_id, 20)).state is State.FAILED


def test_the_worker_s_own_work_is_not_what_somebody_was_paid() -> None:
    paid = [
        is_paid(Receipt(call_id="c", provider="p", model="m", request_id=None, microusd=microusd, state=state))
        for microusd, state in ((5, "settled"), (0, "settled"), (0, "unknown"), (5, "local"), (0, "cached"))
    ]
    assert paid == [True, False, True, False, False]


async def test_where_there_is_room_a_job_is_claimed_as_it_is_accepted(house: ServiceHouse) -> None:
    # Until the worker is looked at, and while its loop looks for work, a job is accepted and no more.
    while (accepted := await house.service.dispatcher.accept(house.order())).lease is None:
        await house.ended(accepted.job.job_id)
    assert accepted.lease.job.job_id == accepted.job.job_id
    ended = await house.ended(accepted.job.job_id)
    assert (ended.state, ended.attempt) == (State.SUCCEEDED, 1)
    assert await kinds(house, ended.job_id) == ["queued", "claimed", "succeeded"]


async def test_a_job_runs_though_who_ordered_it_left_before_the_answer(house: ServiceHouse) -> None:
    ordered = house.order()
    while house.service.dispatcher._with_room(ordered.lane) is None:  # until its worker has answered
        await asyncio.sleep(0.01)
    asking = asyncio.create_task(house.service.dispatcher.accept(ordered))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait([asking])

    async def written_down() -> None:
        while await asyncio.to_thread(house.service.jobs.get, ordered.job_id) is None:
            await asyncio.sleep(0.01)

    await asyncio.wait_for(written_down(), 30)
    assert (await house.ended(ordered.job_id)).state is State.SUCCEEDED


async def test_a_stopping_service_claims_nothing_that_it_accepts(house: ServiceHouse) -> None:
    dispatcher = house.service.dispatcher
    await dispatcher.drain(0.0)
    accepted = await dispatcher.accept(house.order())
    assert accepted.lease is None
    job = await house.job(accepted.job.job_id)
    assert job.state is State.QUEUED
