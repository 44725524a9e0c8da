"""Real runner processes that are killed and frozen: noticed within the stated bound, and back at work afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mintmark.orchestrator.dispatch.supervise import Program, Supervised
from mintmark.orchestrator.fleet.bounds import ANSWER_S, LOOK_EVERY_S
from mintmark.orchestrator.jobs.states import State

from ..dispatch.gpu import shown, until
from ..house import ServiceHouse, service_house

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills and freezes by signals")

BOUND_S = LOOK_EVERY_S + ANSWER_S
SLACK_S = 45.0
"""A machine that runs other tests, too, is late itself."""


@asynccontextmanager
async def runner(house: ServiceHouse, folder: Path) -> AsyncIterator[Supervised]:
    """A runner process on its own data folder, added to the service under the name ``far``, which alone gets jobs."""
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MINTMARK_")},
        "MINTMARK_DATA_DIR": str(folder / "data"),
        "MINTMARK_SANDBOX": "1",
        "MINTMARK_SANDBOX_URL": house.sandbox.url,
    }
    args = ("runner", "--base-dir", str(folder / "base"), "--db", str(folder / "queue.sqlite3"))
    async with Supervised(Program(name="far", args=args, folder=folder, env=env)) as process:
        [own] = house.service.workers
        await asyncio.to_thread(house.service.fleet.order, own.name, "draining")
        await asyncio.to_thread(house.service.fleet.add, process.url, name="far")

        async def is_used() -> bool:
            return not own.allowed and any(each.name == "far" and each.state == "up" for each in house.service.workers)

        await until(is_used)
        yield process


async def stands(house: ServiceHouse, *words: str, within_s: float = 60.0) -> dict[str, object]:
    async def holds() -> bool:
        return (await shown(house, "far"))["standing"] in words

    await until(holds, within_s)
    return await shown(house, "far")


async def test_a_frozen_runner_is_noticed_within_the_bound_and_back_at_work_when_it_thaws(tmp_path: Path) -> None:
    async with service_house(tmp_path / "house") as house, runner(house, tmp_path / "far") as process:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            found = await stands(house, "quarantined", within_s=BOUND_S + SLACK_S)
            assert time.monotonic() - began <= BOUND_S + SLACK_S
            assert "has not answered" in str(found["why"])
            job = await house.submit()
            assert (await house.job(job.job_id)).state is State.QUEUED
        finally:
            os.kill(process.pid, signal.SIGCONT)
        ended = await house.ended(job.job_id, 90)
        assert (ended.state, ended.worker) == (State.SUCCEEDED, "far")
        await stands(house, "up")


async def test_a_killed_runner_is_noticed_and_its_successor_shows_one_job_first(tmp_path: Path) -> None:
    async with service_house(tmp_path / "house") as house, runner(house, tmp_path / "far") as process:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        await stands(house, "quarantined", "probation", within_s=BOUND_S + SLACK_S)
        await stands(house, "probation", within_s=90)
        jobs = [await house.submit(values={"prompt": f"teapot {number}"}) for number in range(3)]
        ended = [await house.ended(job.job_id, 90) for job in jobs]
        assert {(job.state, job.worker) for job in ended} == {(State.SUCCEEDED, "far")}
        await stands(house, "up")
    assert process.starts >= 2
