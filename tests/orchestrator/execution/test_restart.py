"""A worker that is killed in the middle of a job and comes back: real processes, one bill."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mintmark.config import Settings
from mintmark.errors import ContextMissing, WorkerLost
from mintmark.generation.context import JobContext
from mintmark.generation.sealing import Draft, Sealed
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.orchestrator.execution.delivery import Delivery
from mintmark.orchestrator.execution.local_jobs import JobStore
from mintmark.orchestrator.execution.request import JobResult, RunRequest
from mintmark.orchestrator.execution.run import JobRunner
from mintmark.orchestrator.link.client import WorkerLink
from mintmark.orchestrator.link.events import JournalGrew, WorkerEvent
from mintmark.providers.keys import VARIABLES
from mintmark.sandbox import Sandbox

from ..conftest import text_to_image

MAIN = "from mintmark.cli import main; main()"


@dataclass
class Mortal:
    """``mintmark runner`` on one port, as often as it is started."""

    folder: Path
    sandbox_url: str
    port: int
    process: asyncio.subprocess.Process | None = field(default=None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, data: str = "worker") -> None:
        keys = {each for names in VARIABLES.values() for each in names}
        env = {k: v for k, v in os.environ.items() if not k.startswith("MINTMARK_") and k not in keys}
        env |= {"MINTMARK_DATA_DIR": str(self.folder / data), "MINTMARK_SANDBOX_URL": self.sandbox_url}
        where = ("--port", str(self.port), "--base-dir", str(self.folder / "base"))
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", MAIN, "runner", "--sandbox", "--json", *where),
            stdout=asyncio.subprocess.PIPE,
            env=env,
        )
        assert self.process.stdout is not None
        assert await self.process.stdout.readuntil(b"}")

    async def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            await self.process.communicate()
            self.process = None


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(latency_s=1.0) as running:
        yield running


@pytest.fixture
async def mortal(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Mortal]:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    runner = Mortal(tmp_path, sandbox.url, port)
    await runner.start()
    yield runner
    await runner.kill()


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    with closing(SqliteLedger(tmp_path / "books")) as opened:
        yield opened


class Between(WorkerLink):
    """A link to whose worker something happens after it took a context and before it gets the prompt, once or more."""

    happens: Callable[[], Awaitable[None]]
    times = 1

    async def submit(
        self, job_id: str, graph: Mapping[str, Any], extra: Mapping[str, Any], *, fresh: bool = False
    ) -> None:
        if self.times:
            self.times -= 1
            await self.happens()
        await super().submit(job_id, graph, extra, fresh=fresh)


async def submit(
    mortal: Mortal,
    ledger: SqliteLedger,
    accepted: asyncio.Event,
    *,
    between: Callable[[], Awaitable[None]] | None = None,
    times: int = 1,
) -> JobResult:
    """One job of project ``boats``; ``accepted`` is set when the provider has taken the call.

    ``between`` happens to the worker between the job's context and its prompt.
    """
    settings = Settings(data_dir=mortal.folder / "mine", sandbox=True, sandbox_url=mortal.sandbox_url, project="boats")

    def heard(event: WorkerEvent) -> None:
        if isinstance(event, JournalGrew) and event.entry["kind"] == "accepted":
            accepted.set()

    async def seal(context: JobContext, draft: Draft) -> Sealed:
        raise AssertionError(f"the worker left {draft.title} unsigned")

    request = RunRequest(
        workflow=text_to_image(),
        values={"width": 256, "height": 256},
        worker_name=mortal.url,
        out_dir=mortal.folder / "out",
    )
    delivery = Delivery(max_pixels=settings.max_pixels, anchors_pem=None, seal=seal)
    with closing(JobStore(mortal.folder / "books")) as store:
        async with Between(mortal.url, poll_s=0.2) as link:
            if between is not None:
                link.happens = between
            link.times = times if between is not None else 0
            runner = JobRunner(settings=settings, link=link, ledger=ledger, store=store, delivery=delivery)
            return await runner.run(request, heard)


async def billed(sandbox: Sandbox) -> list[dict[str, Any]]:
    """What the provider charges, call by call."""
    async with aiohttp.ClientSession() as session, session.get(f"{sandbox.url}/_sandbox/bill") as answer:
        return list((await answer.json())["lines"])


async def test_a_job_outlives_its_worker_and_is_paid_once(
    mortal: Mortal, sandbox: Sandbox, ledger: SqliteLedger
) -> None:
    accepted = asyncio.Event()
    task = asyncio.create_task(submit(mortal, ledger, accepted))
    await asyncio.wait_for(accepted.wait(), 60)
    await mortal.kill()
    await mortal.start()
    result = await asyncio.wait_for(task, 60)
    assert result.status == "succeeded"
    assert [output.credential.state for output in result.outputs] == ["valid"]
    (line,) = await billed(sandbox)
    assert result.total_microusd == line["microusd"] == ledger.totals().settled_microusd
    assert [receipt.request_id for receipt in result.receipts] == [line["request_id"]]
    assert (ledger.totals().unknown_microusd, ledger.totals().set_aside_microusd) == (0, 0)


async def test_a_worker_that_came_back_without_its_journal_is_not_given_the_job_again(
    mortal: Mortal, sandbox: Sandbox, ledger: SqliteLedger
) -> None:
    accepted = asyncio.Event()
    task = asyncio.create_task(submit(mortal, ledger, accepted))
    await asyncio.wait_for(accepted.wait(), 60)
    await mortal.kill()
    await mortal.start(data="another")
    with pytest.raises(WorkerLost, match="it was restarted"):
        await asyncio.wait_for(task, 60)
    while not (lines := await billed(sandbox)):
        await asyncio.sleep(0.1)  # it charges when it is done, whoever still listens
    (line,) = lines
    # Nobody can learn how the call ended, so it counts in full until somebody does, and it names itself.
    (unknown,) = ledger.lines()
    assert (unknown.kind, unknown.request_id) == ("unknown", line["request_id"])
    assert unknown.microusd >= line["microusd"] > 0
    assert ledger.totals().set_aside_microusd == 0


# -- between the context and the prompt -----------------------------------------------------------------------------


def reborn(mortal: Mortal, *datas: str) -> Callable[[], Awaitable[None]]:
    """Kills the worker and starts it again, with these data folders one after the other."""
    coming = iter(datas)

    async def restart() -> None:
        await mortal.kill()
        await mortal.start(data=next(coming))

    return restart


def projects(ledger: SqliteLedger) -> list[tuple[str, str]]:
    return [(line.kind, line.project) for line in ledger.lines()]


@pytest.mark.parametrize("data", ["worker", "another"])
async def test_a_worker_restarted_between_context_and_prompt_runs_the_job_as_its_project(
    data: str, mortal: Mortal, sandbox: Sandbox, ledger: SqliteLedger
) -> None:
    result = await submit(mortal, ledger, asyncio.Event(), between=reborn(mortal, data))
    (line,) = await billed(sandbox)
    assert [receipt.request_id for receipt in result.receipts] == [line["request_id"]]
    assert projects(ledger) == [("settled", "boats")]
    assert result.total_microusd == line["microusd"] == ledger.totals().settled_microusd
    assert (ledger.totals().unknown_microusd, ledger.totals().set_aside_microusd) == (0, 0)
    books = Settings(data_dir=mortal.folder / data, sandbox=True, sandbox_url=mortal.sandbox_url).books_dir
    with closing(SqliteLedger(books)) as theirs:
        assert theirs.lines() == [], "nothing ran on the worker's own settings"


async def test_a_worker_that_never_keeps_a_context_is_not_asked_for_ever(
    mortal: Mortal, sandbox: Sandbox, ledger: SqliteLedger
) -> None:
    between = reborn(mortal, "another", "a third")
    with pytest.raises(ContextMissing):
        await submit(mortal, ledger, asyncio.Event(), between=between, times=2)
    assert await billed(sandbox) == []
    assert ledger.lines() == []
    assert ledger.totals().set_aside_microusd == 0


async def test_a_job_that_ran_before_its_context_was_lost_is_not_begun_anew(
    mortal: Mortal, sandbox: Sandbox, ledger: SqliteLedger
) -> None:
    accepted, restarts = asyncio.Event(), 0

    async def lose_the_second() -> None:
        nonlocal restarts
        restarts += 1
        if restarts == 2:
            await reborn(mortal, "another")()

    task = asyncio.create_task(submit(mortal, ledger, accepted, between=lose_the_second, times=2))
    await asyncio.wait_for(accepted.wait(), 60)
    await mortal.kill()
    await mortal.start()
    with pytest.raises(ContextMissing):
        await asyncio.wait_for(task, 60)
    while not (lines := await billed(sandbox)):
        await asyncio.sleep(0.1)  # it charges when it is done, whoever still listens
    assert [line["request_id"] for line in lines] == [line.request_id for line in ledger.lines()]
    assert projects(ledger) == [("unknown", "boats")]
