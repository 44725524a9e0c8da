"""A prompt whose worker is away for a while, or is another process when it comes back; over the wire."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from mintmark.errors import WorkerLost, WorkerUnreachable
from mintmark.generation.context import JobContext, WorkerHealth
from mintmark.orchestrator.execution import attempt as attempts
from mintmark.orchestrator.execution.attempt import Attempt
from mintmark.orchestrator.execution.local_work import LocalWork
from mintmark.orchestrator.link.client import WorkerLink

from ..fake_comfy import FakeComfy

GRAPH = {"1": {"class_type": "X", "inputs": {}}}
HEALTH = WorkerHealth(
    boot_id="b", kind="comfyui", pack_version="1", mode="sandbox", policy="p", providers=(), prompt_thread_alive=True
)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "AGAIN_S", 0.01)
    monkeypatch.setattr(attempts, "STOP_S", 0.2)


@pytest.fixture
async def comfy() -> AsyncIterator[FakeComfy]:
    async with FakeComfy() as running:
        yield running


@pytest.fixture
async def link(comfy: FakeComfy) -> AsyncIterator[WorkerLink]:
    async with WorkerLink(comfy.url, poll_s=0.02, lost_s=0.1) as opened:
        yield opened


def made(link: WorkerLink, **more: Any) -> Attempt:
    context = JobContext(job_id=str(uuid.uuid4()), allowance_microusd=0, mode="sandbox")
    facts: dict[str, Any] = {"extra": {}, "heard": lambda event: None, "book": lambda entries: None, "known": HEALTH}
    return Attempt(link=link, context=context, graph=GRAPH, local=LocalWork(GRAPH, None), **{**facts, **more})


async def soon(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


async def silent(comfy: FakeComfy, job_id: str) -> None:
    """It has the prompt, and then cannot say how anything stands, for longer than a job is waited for."""
    await soon(lambda: job_id in comfy.posted)
    comfy.jobs_status = 503
    seen = len(comfy.looked_up)
    await soon(lambda: len(comfy.looked_up) > seen + 10)


async def test_a_worker_that_may_have_the_prompt_is_waited_for_and_the_prompt_is_posted_once(
    comfy: FakeComfy, link: WorkerLink
) -> None:
    attempt = made(link, patience_s=60.0, fresh=True, left=True)
    job_id = attempt.context.job_id
    running = asyncio.create_task(attempt.run())
    await silent(comfy, job_id)
    assert not running.done()
    comfy.jobs_status = 200
    comfy.finish(job_id)
    assert (await running).status == "success"
    assert (comfy.posted, comfy.canceled) == ([job_id], [])


async def test_it_is_not_waited_for_longer_than_that(comfy: FakeComfy, link: WorkerLink) -> None:
    attempt = made(link, patience_s=0.1, fresh=True, left=True)
    running = asyncio.create_task(attempt.run())
    await soon(lambda: attempt.context.job_id in comfy.posted)
    comfy.jobs_status = 503
    with pytest.raises(WorkerLost, match="has not answered"):
        await running
    assert comfy.canceled == [], "who goes on with it finds it where it is"
    comfy.jobs_status = 200
    await attempt.stop()
    assert comfy.canceled == [attempt.context.job_id]


async def test_one_that_surely_has_no_prompt_is_not_waited_for(comfy: FakeComfy, link: WorkerLink) -> None:
    comfy.jobs_status = 503
    with pytest.raises(WorkerUnreachable):
        await made(link, patience_s=60.0, fresh=True, left=True).run()
    assert comfy.posted == []


async def test_who_waits_is_stopped_at_once_and_so_is_the_prompt(comfy: FakeComfy, link: WorkerLink) -> None:
    attempt = made(link, patience_s=60.0, fresh=True)
    running = asyncio.create_task(attempt.run())
    await silent(comfy, attempt.context.job_id)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert comfy.canceled == [attempt.context.job_id]


RUNNER = HEALTH.model_copy(update={"kind": "runner"})


def restarted(comfy: FakeComfy, job_id: str) -> None:
    """Another process is there in its place, which knows nothing of the prompt."""
    comfy.health = RUNNER.model_copy(update={"boot_id": f"{job_id}-{len(comfy.posted)}"}).model_dump(mode="json")
    comfy.forget(job_id)


async def test_a_prompt_that_is_kept_here_is_posted_anew_to_a_runner_that_was_started_again(
    comfy: FakeComfy, link: WorkerLink
) -> None:
    attempt = made(link, known=RUNNER, kept=True, fresh=True, left=True)
    job_id = attempt.context.job_id
    running = asyncio.create_task(attempt.run())
    for posts in (1, 2, 3):
        await soon(lambda posts=posts: len(comfy.posted) == posts)  # type: ignore[misc]
        restarted(comfy, job_id)
    await soon(lambda: len(comfy.posted) == 4)
    comfy.finish(job_id)
    assert (await running).status == "success"
    assert comfy.posted == [job_id] * 4
    assert all(each["extra_data"]["mintmark_kept"] is True for each in comfy.bodies)


@pytest.mark.parametrize("kept", [True, False])
async def test_restarts_are_gone_along_with_within_limits_and_only_for_what_is_kept(
    kept: bool, comfy: FakeComfy, link: WorkerLink
) -> None:
    attempt = made(link, known=RUNNER, kept=kept, fresh=True, left=True)
    running = asyncio.create_task(attempt.run())
    for posts in range(1, attempts.RESTARTS + 2 if kept else 2):
        await soon(lambda posts=posts: len(comfy.posted) == posts)  # type: ignore[misc]
        restarted(comfy, attempt.context.job_id)
    with pytest.raises(WorkerLost):
        await running
    assert len(comfy.posted) == (attempts.RESTARTS + 1 if kept else 1)
    assert all("mintmark_kept" in each["extra_data"] for each in comfy.bodies) is kept


async def test_a_comfyui_is_not_told_what_only_a_runner_heeds(comfy: FakeComfy, link: WorkerLink) -> None:
    attempt = made(link, kept=True, fresh=True, left=True)
    running = asyncio.create_task(attempt.run())
    await soon(lambda: attempt.context.job_id in comfy.posted)
    comfy.finish(attempt.context.job_id)
    await running
    assert comfy.bodies[0]["extra_data"] == {}


async def test_a_prompt_says_that_it_is_early_while_it_is_and_can_be_confirmed_once_it_is_there(
    comfy: FakeComfy, link: WorkerLink
) -> None:
    early, taken = [True], list[int]()
    facts = {"early": lambda: early[0], "taken": lambda: taken.append(len(comfy.posted))}
    attempt = made(link, known=RUNNER, kept=True, fresh=True, left=True, **facts)
    running = asyncio.create_task(attempt.run())
    await soon(lambda: taken == [1])
    early[0] = False
    restarted(comfy, attempt.context.job_id)
    await soon(lambda: taken == [1, 2])
    comfy.finish(attempt.context.job_id)
    await running
    assert ["mintmark_early" in each["extra_data"] for each in comfy.bodies] == [True, False]


@pytest.mark.parametrize("kept", [True, False])
async def test_what_somebody_may_have_posted_early_before_is_confirmed_by_whoever_goes_on_with_it(
    kept: bool, comfy: FakeComfy, link: WorkerLink
) -> None:
    taken: list[str] = []
    attempt = made(link, known=RUNNER, kept=kept, left=True, taken=lambda: taken.append("x"))
    comfy.finish(attempt.context.job_id)
    await attempt.run()
    assert comfy.posted == []
    assert bool(taken) is kept


async def test_what_surely_nobody_posted_before_and_is_not_early_needs_no_confirmation(
    comfy: FakeComfy, link: WorkerLink
) -> None:
    taken: list[str] = []
    attempt = made(link, known=RUNNER, kept=True, fresh=True, left=True, taken=lambda: taken.append("x"))
    comfy.finish(attempt.context.job_id)
    await attempt.run()
    assert (comfy.posted, taken) == ([attempt.context.job_id], [])
