"""A whole service in one process, but for its door's own port: sandbox, a real runner, store, dispatcher, API.

``service_house`` opens one in a folder; tests that only need one opened take the fixture ``house`` of their folder's
``conftest.py``, which is this with ``tmp_path``. Everything listens on ports of its own, so tests may run side by side.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from mintmark.config import Settings
from mintmark.config.service import ServiceSettings
from mintmark.nodes import worker
from mintmark.orchestrator.jobs.job import Job, Ordered
from mintmark.orchestrator.service.listening import Listening
from mintmark.orchestrator.service.service import Service
from mintmark.runner import Runner, surface
from mintmark.sandbox import Sandbox

surface.install()

SIZE = {"width": 256, "height": 256}


@dataclass
class ServiceHouse:
    """``url`` is the API's; ``session`` asks it with :meth:`ask`."""

    settings: Settings
    service: Service
    sandbox: Sandbox
    runner: Runner
    session: aiohttp.ClientSession
    url: str

    async def ask(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and JSON (or text) of one call of the API."""
        async with self.session.request(method, self.url + path, json=body, headers=headers) as reply:
            is_json = "json" in reply.content_type
            return reply.status, await (reply.json(content_type=None) if is_json else reply.text())

    def order(self, workflow: str = "text-to-image", **changes: Any) -> Ordered:
        """A job as the API would have written it down; small pictures unless told otherwise."""
        version = self.service.releases.resolve(workflow)
        values = {"prompt": "a teapot", **SIZE, **changes.pop("values", {})}
        known = {each.name for each in version.inputs}
        facts = {
            "job_id": str(uuid.uuid4()),
            "project": self.settings.project,
            "user": self.settings.user,
            "workflow": version.name,
            "version": version.version,
            "digest": version.digest,
            "lane": version.lane,
            "values": {name: value for name, value in values.items() if name.partition(".")[0] in known},
            "allowance_microusd": 1_000_000,
        }
        return Ordered(**{**facts, **changes})

    async def submit(self, workflow: str = "text-to-image", **changes: Any) -> Job:
        """Accept a job into the store, without the API."""
        ordered = self.order(workflow, **changes)
        accepted = await asyncio.to_thread(self.service.jobs.accept, ordered)
        self.service.news.wake()
        return accepted.job

    async def job(self, job_id: str) -> Job:
        found = await asyncio.to_thread(self.service.jobs.get, job_id)
        assert found is not None
        return found

    async def ended(self, job_id: str, within_s: float = 60.0) -> Job:
        """The job once it is over."""

        async def wait() -> Job:
            async with self.service.news.listen(job_id) as facts:
                while not (job := await self.job(job_id)).state.terminal:
                    await facts.next(0.5)
                return job

        return await asyncio.wait_for(wait(), within_s)

    async def run(self, workflow: str = "text-to-image", **changes: Any) -> Job:
        """One job from the store to its end."""
        return await self.ended((await self.submit(workflow, **changes)).job_id)

    async def fail(self, *faults: dict[str, Any]) -> None:
        """From now on the sandbox's providers fail so; see ``sandbox/faults.py``."""
        async with self.session.put(f"{self.sandbox.url}/_sandbox/faults", json={"faults": list(faults)}) as reply:
            assert reply.status == 200, await reply.text()

    async def bill(self) -> dict[str, Any]:
        async with self.session.get(f"{self.sandbox.url}/_sandbox/bill") as reply:
            return dict(await reply.json())

    async def calls(self, kind: str = "generation") -> list[dict[str, Any]]:
        async with self.session.get(f"{self.sandbox.url}/_sandbox/calls?kind={kind}") as reply:
            return list(await reply.json())


@asynccontextmanager
async def service_house(
    folder: Path,
    *,
    latency_s: float = 0.0,
    settings: dict[str, Any] | None = None,
    sandbox: Sandbox | None = None,
    **service: Any,
) -> AsyncIterator[ServiceHouse]:
    """``settings`` and the rest change the engine's settings and the service's. A ``sandbox`` that is given outlives
    the house, as providers do."""
    async with AsyncExitStack() as stack:
        if sandbox is None:
            sandbox = await stack.enter_async_context(Sandbox(latency_s=latency_s))
        found = Settings(data_dir=folder / "data", sandbox=True, sandbox_url=sandbox.url, **(settings or {}))
        worker.configure(found)
        runner = await stack.enter_async_context(Runner(base_dir=folder / "worker"))
        stack.push_async_callback(_close_worker)
        wanted = ServiceSettings(**{"port": 0, "runners": 0, "drain_s": 5.0, "allow_private_targets": True, **service})
        opened = await stack.enter_async_context(Service(found, wanted, runners=(runner.url,)))
        door = await stack.enter_async_context(Listening(opened, wanted.host, wanted.port))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield ServiceHouse(found, opened, sandbox, runner, session, door.url)


async def _close_worker() -> None:
    await worker.current().close()
