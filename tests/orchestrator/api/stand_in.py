"""A service for the API's tests: real store, ledger, releases, assets and keys; nobody runs jobs but who is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from mintmark.config import Settings
from mintmark.config.service import ServiceSettings
from mintmark.generation.engine import Engine
from mintmark.orchestrator.access.access import Access
from mintmark.orchestrator.api.app import build_app
from mintmark.orchestrator.api.connections import Runner
from mintmark.orchestrator.content.files import forget_files, with_order
from mintmark.orchestrator.content.holds import held
from mintmark.orchestrator.content.looking import Lookbook
from mintmark.orchestrator.content.takedowns import Takedowns
from mintmark.orchestrator.dispatch.news import JobChanged, News
from mintmark.orchestrator.dispatch.placing import Decided
from mintmark.orchestrator.fleet.registry import Registry
from mintmark.orchestrator.jobs.base import Accepted, Idempotency
from mintmark.orchestrator.jobs.job import Ending, Job, Made, Metrics, Ordered
from mintmark.orchestrator.jobs.purging import orphaned
from mintmark.orchestrator.jobs.sql_store import SqlJobStore
from mintmark.orchestrator.jobs.states import Step
from mintmark.orchestrator.metrics.meters import Meters
from mintmark.orchestrator.placement.values import Choice
from mintmark.orchestrator.releases.releases import Releases
from mintmark.orchestrator.service.outboxes import all_of
from mintmark.orchestrator.webhooks.keeping import Webhooks
from mintmark.orchestrator.webhooks.outbox import outbox
from mintmark.sandbox import Sandbox
from mintmark.storage.assets.folder import FolderAssets
from mintmark.storage.assets.thumbnails import Thumbnails
from mintmark.storage.assets.uploads import Uploads
from mintmark.workflows.library import Library

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 40
"""What is taken for a picture where nobody looks into it."""


@dataclass
class NoWorkers:
    """A dispatcher without workers."""

    jobs: SqlJobStore
    news: News
    workers: list[Any] = field(default_factory=list)
    draining: bool = False

    def object_infos(self, lane: str) -> list[Any]:
        return []

    def missing(self) -> list[str]:
        return []

    async def accept(self, ordered: Ordered, key: Idempotency | None = None, **about: Any) -> Accepted:
        accepted = await asyncio.to_thread(self.jobs.accept, ordered, key, **about)
        self.news.wake()
        return accepted

    async def decide(self, job: Job) -> Decided:
        return Decided(Choice(worker=None, reason="nobody_can"), {"gpu-1": "it is not up"}, None)

    def look(self) -> None:
        pass


class StandIn:
    """What the API needs of a service."""

    def __init__(self, folder: Path, engine: Engine, **about: Any) -> None:
        self.settings, self.engine = engine.settings, engine
        self.service = ServiceSettings(**about)
        self.ledger = engine.ledger
        self.access = Access(self.ledger.store, ledger=self.ledger, mode="sandbox")
        self.meters = Meters(
            counts=lambda: self.jobs.counts(),
            wanted=lambda: self.jobs.wanted(),
            workers=list,
            waiting_since=lambda: self.jobs.waiting_since(),
        )
        self.jobs = SqlJobStore(
            self.ledger,
            outbox=all_of(self.access.on_job, outbox, lambda *its: with_order(self.uploads)(*its)),
            ended=self.meters.ended,
            held=held,
        )
        self.fleet = Registry(self.ledger.store)
        self.releases = Releases(self.ledger.store, Library())
        self.assets = FolderAssets(folder / "assets")
        self.thumbnails = Thumbnails(folder / "thumbnails", self.assets)
        self.store = self.ledger.store
        self.uploads = Uploads(
            self.store,
            self.assets,
            max_pixels=4_000_000,
            most_bytes=4_000_000,
            refuse=lambda it: self.takedowns.refuse(it),
            left=orphaned,
        )
        self.lookbook = Lookbook(self.store, self.jobs, self.assets.read, max_pixels=4_000_000)
        aside = FolderAssets(folder / "withheld")
        self.takedowns = Takedowns(self.store, self.jobs, self.assets, self.thumbnails, aside, max_pixels=4_000_000)
        self.link_secrets = (b"s" * 32,)
        self.news = News()
        self.dispatcher = NoWorkers(self.jobs, self.news)
        self.webhooks = Webhooks(self.ledger.store)
        self.threads = ThreadPoolExecutor(8)

    def worker_log(self, name: str) -> Path | None:
        return None

    def restart_worker(self, name: str) -> bool:
        """It started none."""
        return False

    async def forget_elsewhere(self) -> None:
        """There are no workers."""

    def forget_assets(self, digests: list[str]) -> None:
        forget_files(self, digests)

    def run_next(self, *, data: bytes = b"", step: Step = Step.SUCCEEDED) -> Job | None:
        """Claim the next job and end it, as a dispatcher would."""
        leases = self.jobs.claim("test", "worker-1", ["hosted", "gpu"])
        if not leases:
            return None
        made = (self.made(data),) if data else ()
        metrics = Metrics(latency_ms=5, queue_ms=1, run_ms=3, post_ms=1, steps=4)
        job = self.jobs.end(leases[0], Ending(step=step, outputs=made, metrics=metrics))
        self.news.publish(job.job_id, JobChanged(job.job_id))
        return job

    def made(self, data: bytes) -> Made:
        asset = self.assets.put(data)
        return Made(
            index=0,
            output="images",
            asset=asset.digest,
            media_type=asset.media_type,
            width=8,
            height=8,
            bytes=asset.bytes,
            seed=7,
            verdict={"decision": "allowed", "categories": []},
            credential={"state": "valid", "issuer": "Mintmark"},
        )

    async def run_all(self, *, data: bytes = b"") -> None:
        """End whatever comes, until canceled."""
        while True:
            bell = self.news.bell()
            while await asyncio.to_thread(self.run_next, data=data):
                pass
            await bell.wait(0.05)
            bell.close()


@dataclass
class House:
    """A running API and a client of it."""

    service: Any
    url: str
    http: aiohttp.ClientSession

    async def ask(self, method: str, path: str, **how: Any) -> tuple[int, Any, Any]:
        """Status, JSON (or text) and headers of an answer."""
        async with self.http.request(method, self.url + path, **how) as answer:
            is_json = answer.content_type in ("application/json", "application/problem+json")
            return answer.status, await (answer.json(content_type=None) if is_json else answer.text()), answer.headers

    async def order(self, **inputs: Any) -> str:
        """A new job's id."""
        status, body, _ = await self.ask("POST", "/v1/workflows/text-to-image/runs", json={"inputs": inputs})
        assert status == 202, body
        return str(body["job_id"])


@asynccontextmanager
async def open_house(folder: Path, **about: Any) -> AsyncIterator[House]:
    """The API of a stand-in on a free port."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox())
        settings = Settings(data_dir=folder, sandbox=True, sandbox_url=sandbox.url)
        engine = await stack.enter_async_context(Engine(settings, sandbox_url=sandbox.url, pack_version="test"))
        service = StandIn(folder, engine, **about)
        stack.callback(service.threads.shutdown)
        await stack.enter_async_context(service.access)
        url = await serve(service, stack)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield House(service, url, http)


async def serve(service: Any, stack: AsyncExitStack) -> str:
    """Serve the API on a free port of this machine; its URL."""
    runner = Runner(build_app(service), access_log=None, lingering_time=0.1, max_line_size=65_536, shutdown_timeout=1.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}"
