"""Several services on one database: each has a data folder, a journal and runners of its own, maybe on one machine."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

from mintmark.orchestrator.dispatch.dispatcher import Dispatcher
from mintmark.orchestrator.dispatch.kit import Kit
from mintmark.orchestrator.dispatch.run import Stop
from mintmark.orchestrator.dispatch.worker import Worker
from mintmark.orchestrator.dispatch.worker_loop import WorkerLoop
from mintmark.orchestrator.jobs.states import State, Step
from mintmark.orchestrator.link.client import WorkerLink
from mintmark.sandbox import Sandbox

from ..house import ServiceHouse, service_house
from .test_dispatcher import kinds, nothing_is_held, running


def neighbour(house: ServiceHouse, folder: Path) -> Dispatcher:
    """Another service on the same database, without a worker."""
    kit = dataclasses.replace(house.service.dispatcher._kit, journal_id="another", workers=[])
    return Dispatcher(kit, [], folder=folder)


async def test_what_a_living_neighbour_on_the_same_machine_runs_is_left_to_it(tmp_path: Path) -> None:
    async with service_house(tmp_path / "one", latency_s=1.0) as house:
        job = await house.submit()
        await running(house, job)
        async with neighbour(house, tmp_path / "other"):
            ended = await house.ended(job.job_id)
        assert (ended.state, ended.attempt) == (State.SUCCEEDED, 1)
        assert await kinds(house, job.job_id) == ["queued", "claimed", "succeeded"]


async def test_what_a_neighbour_s_runner_asked_before_it_died_is_not_asked_again(tmp_path: Path) -> None:
    async with service_house(tmp_path) as house:
        await house.service.dispatcher.drain(0)  # it claims no more
        job = await house.submit(allowance_microusd=70_000)
        await asyncio.to_thread(house.service.jobs.claim, "elsewhere/dead", "runner-1.ffffffff", ["hosted"])
        house.service.dispatcher._is_dead = lambda owner: owner == "elsewhere/dead"  # type: ignore[method-assign]
        await house.service.dispatcher._take_up()
        ended = await house.ended(job.job_id)
        assert ended.state is State.FAILED and ended.failure is not None and ended.failure.code == "worker_lost"
        assert house.service.ledger.totals().unknown_microusd == 70_000


async def test_a_paid_prompt_goes_on_in_its_journal_though_a_stranger_s_worker_is_there_too(tmp_path: Path) -> None:
    async with Sandbox(latency_s=1.5) as sandbox:
        async with service_house(tmp_path, sandbox=sandbox, drain_s=0.05) as house:
            job = await house.submit()
            await running(house, job)
        # Its runner is gone for good. A ComfyUI of somebody's knows nothing of this journal.
        async with service_house(tmp_path, sandbox=sandbox, workers=("http://127.0.0.1:9",)) as house:
            ended = await house.ended(job.job_id)
            assert (ended.state, ended.attempt) == (State.SUCCEEDED, 2)
            assert ended.worker != "http://127.0.0.1:9"
            assert len(await house.calls()) == 1
            assert nothing_is_held(house)
            assert ended.cost_microusd == (await house.bill())["total_microusd"]


async def test_an_attempt_that_waits_for_its_worker_is_kept_though_it_was_canceled(tmp_path: Path) -> None:
    async with service_house(tmp_path) as house:
        await house.service.dispatcher.drain(0)
        await house.submit()
        [lease] = await asyncio.to_thread(house.service.jobs.claim, "me", "http://127.0.0.1:9", ["hosted"])
        kit: Kit = house.service.dispatcher._kit
        async with WorkerLink("http://127.0.0.1:9") as link:
            loop = WorkerLoop(kit, Worker("http://127.0.0.1:9", link), "me", most_attempts=3)
            loop.resume(lease)
            loop.stop(lease.job.job_id, Stop.CANCELED)
            assert loop.job_ids == [lease.job.job_id]
            loop.stop(lease.job.job_id, Stop.TAKEN)
            assert loop.job_ids == []


async def test_an_own_lease_that_ran_out_is_had_again_and_the_attempt_goes_on(tmp_path: Path) -> None:
    async with service_house(tmp_path, latency_s=30.0, drain_s=0.1) as house:
        job = await house.submit()
        await running(house, job)
        dispatcher = house.service.dispatcher
        [loop] = dispatcher._loops.values()
        run = loop._runs[job.job_id][0]

        def run_out() -> None:
            house.service.store.transact(lambda db: db.run("UPDATE jobs SET lease_until = '2000'"))
            for lease in house.service.jobs.abandoned(dispatcher.owner, lambda owner: False):
                asyncio.run_coroutine_threadsafe(had_again(lease), here).result()

        async def had_again(lease: object) -> None:
            loop.resume(lease)  # type: ignore[arg-type]

        here = asyncio.get_running_loop()
        await asyncio.to_thread(run_out)
        assert loop._runs[job.job_id][0] is run and loop._resumed == []
        await asyncio.to_thread(house.service.jobs.cancel, job.job_id)
        dispatcher.look()
        ended = await house.ended(job.job_id, 20)
        assert (ended.state, ended.outcome) == (State.CANCELED, Step.CANCELED)
        assert await kinds(house, job.job_id) == ["queued", "claimed", "resumed", "cancel_asked", "canceled"]
