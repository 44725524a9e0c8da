"""A whole house in one process: a real sandbox, a real runner with the pack in it, this machine's ledger and jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mintmark.config import Settings
from mintmark.generation.context import JobContext
from mintmark.generation.engine import Engine
from mintmark.generation.sealing import Draft, Sealed, seal
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.nodes import worker
from mintmark.orchestrator.execution.delivery import Delivery
from mintmark.orchestrator.execution.local_jobs import JobStore
from mintmark.orchestrator.execution.request import JobResult, RunRequest
from mintmark.orchestrator.execution.run import JobRunner
from mintmark.orchestrator.link.client import WorkerLink
from mintmark.orchestrator.link.events import WorkerEvent
from mintmark.runner import Runner, surface
from mintmark.sandbox import Sandbox
from mintmark.workflows.format import WorkflowVersion
from mintmark.workflows.library import Library

surface.install()


@dataclass
class House:
    """Everything a job touches, and the truth about it."""

    settings: Settings
    sandbox: Sandbox
    runner: Runner
    ledger: SqliteLedger
    store: JobStore
    link: WorkerLink
    session: aiohttp.ClientSession
    out: Path

    def job_runner(self, **changes: Any) -> JobRunner:
        """A runner of jobs, as the command line builds one."""
        settings = self.settings.with_(**changes)
        delivery = Delivery(max_pixels=settings.max_pixels, anchors_pem=None, seal=self.seal)
        return JobRunner(settings=settings, link=self.link, ledger=self.ledger, store=self.store, delivery=delivery)

    async def seal(self, context: JobContext, draft: Draft) -> Sealed:
        async with Engine(self.settings, sandbox_url=self.sandbox.url, pack_version="test") as engine:
            engine.journal.open_job(context)
            return await seal(engine, context, draft)

    async def run(
        self,
        workflow: WorkflowVersion | None = None,
        heard: Callable[[WorkerEvent], None] = lambda event: None,
        settings: dict[str, Any] | None = None,
        *,
        allow_unchecked: bool = False,
        **values: Any,
    ) -> JobResult:
        """One job from end to end; small pictures unless told otherwise."""
        size = {} if workflow else {"width": 256, "height": 256}
        request = RunRequest(
            workflow=workflow or text_to_image(),
            values={**size, **values},
            worker_name=self.runner.url,
            out_dir=self.out,
            allow_unchecked=allow_unchecked,
        )
        runner = self.job_runner(**(settings or {}))
        return await runner.run(request, heard)

    async def fail(self, *faults: dict[str, Any]) -> None:
        async with self.session.put(f"{self.sandbox.url}/_sandbox/faults", json={"faults": list(faults)}) as reply:
            assert reply.status == 200, await reply.text()

    async def bill(self) -> dict[str, Any]:
        async with self.session.get(f"{self.sandbox.url}/_sandbox/bill") as reply:
            return dict(await reply.json())

    async def calls(self, kind: str = "generation") -> list[dict[str, Any]]:
        async with self.session.get(f"{self.sandbox.url}/_sandbox/calls?kind={kind}") as reply:
            return list(await reply.json())

    def written(self) -> list[str]:
        """What lies in the output folder, hidden files too."""
        return sorted(path.name for path in self.out.iterdir()) if self.out.exists() else []


def text_to_image() -> WorkflowVersion:
    return Library(()).resolve("text-to-image")


@asynccontextmanager
async def open_house(folder: Path, *, latency_s: float = 0.0, **more: Any) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox(latency_s=latency_s))
        settings = Settings(data_dir=folder / "data", sandbox=True, sandbox_url=sandbox.url, **more)
        worker.configure(settings)
        runner = await stack.enter_async_context(Runner(base_dir=folder / "worker"))
        stack.push_async_callback(_close_worker)
        ledger = SqliteLedger(settings.books_dir)
        stack.callback(ledger.close)
        store = JobStore(settings.books_dir)
        stack.callback(store.close)
        link = await stack.enter_async_context(WorkerLink(runner.url, poll_s=0.2))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield House(settings, sandbox, runner, ledger, store, link, session, folder / "out")


async def _close_worker() -> None:
    await worker.current().close()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


@pytest.fixture
async def slow_house(tmp_path: Path) -> AsyncIterator[House]:
    """Its providers take their time, so that there is something to cancel."""
    async with open_house(tmp_path, latency_s=5.0) as opened:
        yield opened
