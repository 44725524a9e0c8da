"""A worker that cannot be reached costs a job time, and never its end, its money or a second call."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mintmark.errors import WorkerLost, WorkerUnreachable
from mintmark.orchestrator.dispatch import outcomes
from mintmark.orchestrator.dispatch.worker import Worker
from mintmark.orchestrator.execution import attempt as attempts
from mintmark.orchestrator.jobs.states import State

from ..house import ServiceHouse


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "FIRST_DELAY_S", 0.0)
    monkeypatch.setattr(attempts, "AGAIN_S", 0.01)


@pytest.fixture
def worker(house: ServiceHouse) -> Worker:
    [found] = house.service.workers
    return found


async def reasons(house: ServiceHouse, job_id: str) -> list[str]:
    told = await asyncio.to_thread(house.service.jobs.events, job_id)
    return [each.data["reason"] for each in told if each.kind == "requeued"]


def fails(monkeypatch: pytest.MonkeyPatch, worker: Worker, name: str, *errors: Exception) -> None:
    """The link's method raises these, one after the other, before it is itself again."""
    real, left = getattr(worker.link, name), list(errors)

    async def method(*given: Any, **named: Any) -> Any:
        if left:
            raise left.pop(0)
        return await real(*given, **named)

    monkeypatch.setattr(worker.link, name, method)


async def test_what_never_came_to_its_worker_waits_for_one_however_often(
    house: ServiceHouse, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(monkeypatch, worker, "open_job", *(WorkerUnreachable("away") for _ in range(5)))
    job = await house.run()
    assert (job.state, job.attempt) == (State.SUCCEEDED, 1), "more often than a job is tried"
    assert await reasons(house, job.job_id) == ["worker_unreachable"] * 5
    assert len(await house.calls()) == 1


async def test_what_may_be_on_its_worker_stays_there_until_that_answers_again(
    house: ServiceHouse, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.shared = False  # as one with a journal of its own
    fails(monkeypatch, worker, "submit", *(WorkerUnreachable("away") for _ in range(5)))
    job = await house.run()
    assert (job.state, job.attempt) == (State.SUCCEEDED, 1)
    assert await reasons(house, job.job_id) == []
    assert len(await house.calls()) == 1


async def test_its_end_is_fetched_though_its_worker_was_away_when_it_came(
    house: ServiceHouse, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(monkeypatch, worker, "close_job", WorkerUnreachable("away"))
    job = await house.run()
    assert (job.state, job.attempt) == (State.SUCCEEDED, 1)
    assert job.cost_microusd == (await house.bill())["total_microusd"] > 0


async def test_a_lost_prompt_whose_books_close_with_nothing_in_them_is_run_anew(
    house: ServiceHouse, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.shared = False
    fails(monkeypatch, worker, "submit", WorkerLost("somebody took it out"))
    job = await house.run()
    assert (job.state, job.attempt) == (State.SUCCEEDED, 2)
    assert await reasons(house, job.job_id) == ["worker_gone"]
    assert len(await house.calls()) == 1
    assert house.service.ledger.totals().set_aside_microusd == 0


async def test_a_lost_prompt_that_has_cost_something_is_not(
    house: ServiceHouse, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.shared = False
    real = worker.link.follow

    async def follow(*given: Any, **named: Any) -> Any:
        await real(*given, **named)
        raise WorkerLost("somebody took it out")

    monkeypatch.setattr(worker.link, "follow", follow)
    job = await house.run()
    assert job.state is State.FAILED
    assert job.failure is not None and job.failure.code == "worker_lost"
    assert len(await house.calls()) == 1
    assert job.cost_microusd == (await house.bill())["total_microusd"] > 0


async def test_a_prompt_that_goes_on_in_the_same_journal_is_not_canceled_where_it_runs(
    house: ServiceHouse, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    canceled: list[str] = []

    async def cancel(job_id: str) -> None:
        canceled.append(job_id)

    monkeypatch.setattr(worker.link, "cancel", cancel)
    real, lost = worker.link.follow, [WorkerLost("silent", silent_s=60.0)]

    async def follow(*given: Any, **named: Any) -> Any:
        if lost:
            raise lost.pop()
        return await real(*given, **named)

    monkeypatch.setattr(worker.link, "follow", follow)
    job = await house.run()
    assert (job.state, job.attempt) == (State.SUCCEEDED, 2)
    assert (await reasons(house, job.job_id), canceled) == (["worker_lost"], [])
    assert len(await house.calls()) == 1
