"""The service: everything that it is made of, opened in order and closed in reverse; half a start unwinds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from ... import log
from ...clock import utc_now
from ...config import Settings
from ...config.audit import AuditSettings
from ...errors import StorageError
from ...generation.engine import Engine
from ...storage.assets import secret
from ...storage.assets.folder import FolderAssets
from ...storage.assets.links import Links, steady_expiry
from ...storage.assets.thumbnails import Thumbnails
from ...storage.assets.uploads import Uploads
from ...workflows.format import WorkflowVersion
from ...workflows.library import Library
from ..access.access import Access
from ..access.audit_keys import audit_key
from ..access.checkpoint_targets import default_target
from ..access.checkpoint_task import CheckpointTask
from ..content.elsewhere import Here, forget_elsewhere
from ..content.files import forget_files, with_order
from ..content.holds import held
from ..content.looking import Lookbook
from ..content.rules import Rule
from ..content.sweeping import TABLES, Sweeper
from ..content.takedowns import Takedowns
from ..dispatch.dispatcher import Dispatcher
from ..dispatch.kit import THREADS, Kit
from ..dispatch.news import News
from ..dispatch.side_tasks import SideTasks
from ..dispatch.worker import Worker
from ..fleet.checking import groups_of
from ..fleet.registry import Registry
from ..jobs.base import Bounds
from ..jobs.purging import orphaned
from ..jobs.sql_store import SqlJobStore
from ..metrics.meters import Meters
from ..releases.releases import Releases
from ..webhooks.budgets import BudgetNews
from ..webhooks.keeping import Webhooks
from ..webhooks.sender import Sender
from ..webhooks.targets import Outbound
from . import alone
from .delivering import open_delivery
from .lull import Lull
from .outboxes import all_of
from .processes import Processes
from .settings import ServiceSettings

if TYPE_CHECKING:
    from ...storage.base import Session, Store
    from ..execution.delivery import Delivery
    from ..jobs.job import Job, JobEvent, Made

logger = log.get("orchestrator.service")

ARRIVING_S = 24 * 3600.0
"""An upload that began longer ago was cut off by a crash."""
LOOK_S = 2.0
"""How often it is looked what others took down, and, where there is time for it, what new files look like."""
LIBRARY_KEPT = 4096
"""Workflow versions that are remembered by their digest."""


class Service:
    """``env`` is the environment of the processes that it starts. ``runners`` are URLs of runners that run already and
    share this data folder, as its own do; ``delivery`` takes the place of the one that checks and signs: for tests and
    measurements, never a setting.
    """

    def __init__(
        self,
        settings: Settings,
        service: ServiceSettings,
        *,
        env: Mapping[str, str] | None = None,
        runners: Sequence[str] = (),
        delivery: Delivery | None = None,
        audit: AuditSettings | None = None,
    ) -> None:
        self.settings = settings
        self.service = service
        self._audit = audit or AuditSettings()
        self.url = ""
        """Where it is reached; known once somebody listens."""
        self._env = dict(env or {})
        self._own = tuple(runners)
        self._delivery = delivery
        self._versions: dict[str, WorkflowVersion] = {}
        self._lull = Lull()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._open(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def watch(self) -> None:
        """Wait until a part dies that must not, and raise what it died of: then the service ends, loudly."""
        parts = (self.dispatcher, self.sender, self.access, self.checkpoints, self._looking, self._processes)
        watched = [asyncio.create_task(each.watch(), name=f"watch {type(each).__name__}") for each in parts]
        try:
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            for task in watched:
                if task.done():
                    task.result()
        finally:
            for task in watched:
                task.cancel()
            await asyncio.gather(*watched, return_exceptions=True)

    # -- opening ------------------------------------------------------------------------------------------------------

    async def _open(self, stack: AsyncExitStack) -> None:
        stack.callback((await asyncio.to_thread(alone.take, self.settings.books_dir)).release)
        self._processes = await stack.enter_async_context(Processes(self.settings, self.service, self._env))
        self.settings = self._processes.settings
        await self._open_books(stack)
        await asyncio.to_thread(self._open_files)
        self.news = News()
        self.webhooks = await asyncio.to_thread(Webhooks, self.store)
        self.access = await stack.enter_async_context(await asyncio.to_thread(self._access))
        self.checkpoints = await stack.enter_async_context(await asyncio.to_thread(self._checkpoints))
        self.meters = Meters(
            counts=lambda: self.jobs.counts(),
            wanted=lambda: self.jobs.wanted(),
            workers=lambda: self.dispatcher.states(),
            waiting_since=lambda: self.jobs.waiting_since(),
            pauses=lambda since: self.jobs.pauses(since),
        )
        self.jobs = await asyncio.to_thread(self._jobs)
        self.sweeper = await asyncio.to_thread(self._sweeper)
        await asyncio.to_thread(self._open_content)
        self._looking = SideTasks()
        stack.push_async_callback(self._looking.close)
        stack.callback(self._lull.close)
        self._looking.start(self._look_at_content(), "looks and takedowns")
        self.fleet = await asyncio.to_thread(Registry, self.store, changed=self._look_at_fleet)
        self.sender = await self._open_sender(stack)
        self.dispatcher = await self._open_dispatcher(stack)

    async def _open_books(self, stack: AsyncExitStack) -> None:
        from ... import __version__

        url = self.settings.sandbox_url if self.settings.sandbox else None
        engine = Engine(self.settings, sandbox_url=url, pack_version=__version__)
        self.engine = await stack.enter_async_context(engine)
        self.ledger = self.engine.ledger
        self.store: Store = self.ledger.store
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="mintmark-store")
        stack.callback(self.threads.shutdown, wait=True, cancel_futures=True)

    def _open_files(self) -> None:
        folder = self.settings.books_dir / "service"
        self.assets = FolderAssets(self.service.assets or self.settings.books_dir / "assets")
        self.assets.tidy(older_than_s=ARRIVING_S, now=time.time())
        self.thumbnails = Thumbnails(folder / "thumbnails", self.assets, max_pixels=self.settings.max_pixels)
        self.uploads = Uploads(
            self.store,
            self.assets,
            max_pixels=self.settings.max_pixels,
            refuse=lambda digest: self.takedowns.refuse(digest),
            left=orphaned,
        )
        self.link_secrets = secret.load(folder / "links.json")
        self.releases = Releases(self.store, Library(self.settings.workflows))

    def _access(self) -> Access:
        settings = self.settings
        return Access(self.store, ledger=self.ledger, mode=settings.mode, project=settings.project, user=settings.user)

    def _checkpoints(self) -> CheckpointTask:
        key = audit_key(self._audit.key, self.settings.data_dir)
        target = self._audit.checkpoints or default_target(self.settings.books_dir)
        return CheckpointTask(self.store, key, target, every_s=self._audit.checkpoint_s)

    def _jobs(self) -> SqlJobStore:
        from ..webhooks.outbox import outbox

        bounds = Bounds(queued_per_key=self.service.queued_per_key, queued_overall=self.service.queued_overall)
        outboxes = all_of(self.access.on_job, outbox, with_order(self.uploads), self._told)
        return SqlJobStore(self.ledger, bounds=bounds, outbox=outboxes, ended=self.meters.ended, held=held)

    def _sweeper(self) -> Sweeper:
        days = self.service.retention_days
        default = Rule("", prompts=days, inputs=days, outputs=days)
        return Sweeper(
            self.store,
            self.jobs,
            default,
            forget_assets=self.forget_assets,
            forget_uploads=self._forget_uploads,
            scrub=self.scrub,
        )

    def _forget_uploads(self) -> list[str]:
        days = self.service.upload_retention_days
        return self.uploads.forget_old(None if days is None else utc_now() - timedelta(days=days))

    def _open_content(self) -> None:
        most = self.settings.max_pixels
        aside = FolderAssets(self.settings.books_dir / "withheld")
        self._here = Here(self.store, self.engine.journal, self.engine.spool)
        self.lookbook = Lookbook(self.store, self.jobs, self.assets.read, max_pixels=most)
        self.takedowns = Takedowns(
            self.store, self.jobs, self.assets, self.thumbnails, aside, max_pixels=most, now=utc_now
        )
        self.takedowns.refresh()

    async def _look_at_content(self) -> None:
        """What other services took down, and, in a lull, what jobs made since: one after the other, in one thread."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await asyncio.to_thread(self.takedowns.refresh)
                if self._lull.comes():
                    await asyncio.to_thread(self.lookbook.note, self._lull.rest)
            except StorageError as exc:
                logger.warning("Looks and takedowns wait: %s", exc, extra=log.action("look_waits"))

    def _told(self, db: Session, job: Job, event: JobEvent) -> None:
        """Within the transaction: what waits for it looks a moment later, or by itself."""
        self._lull.stir()
        if job.ordered.webhook_url is not None:
            self._loop.call_soon_threadsafe(self.sender.wake)

    async def _open_sender(self, stack: AsyncExitStack) -> Sender:
        self._loop = asyncio.get_running_loop()
        client = await stack.enter_async_context(Outbound(allow_private=self.service.allow_private_targets))
        sender = Sender(
            self.store,
            client,
            find=self.jobs.get,
            describe=self.describe,
            threads=self.threads,
            alone=self.settings.ledger_url is None or bool(self.settings.sandbox),
            delivered=self.meters.delivered,
        )
        if (url := self.service.budget_webhook_url) is not None:
            await stack.enter_async_context(BudgetNews(self.store, url, project=self.settings.project))
        return await stack.enter_async_context(sender)

    async def _open_dispatcher(self, stack: AsyncExitStack) -> Dispatcher:
        workers = [
            *self._processes.workers(self.engine.journal.journal_id),
            *(self._processes.worker(url, shared=True) for url in self._own),
            *(self._processes.worker(url) for url in self.service.workers),
        ]
        for line in self._processes.links:
            await stack.enter_async_context(line)
        dispatcher = Dispatcher(
            self._kit(),
            workers,
            folder=self.settings.books_dir,
            most_attempts=self.service.max_attempts,
            drain_s=self.service.drain_s,
            registry=self.fleet,
            line=self._processes.line,
            warm=groups_of(self.service.warm),
        )
        return await stack.enter_async_context(dispatcher)

    def _kit(self) -> Kit:
        return Kit(
            settings=self.settings,
            jobs=self.jobs,
            ledger=self.ledger,
            journal=self.engine.journal,
            journal_id=self.engine.journal.journal_id,
            assets=self.assets,
            delivery=self._delivery or open_delivery(self.engine),
            workflow=self._version,
            news=self.news,
            catch_up=self.engine.books.catch_up,
            forget=self.forget_assets,
            sweep=self.sweeper.sweep,
            bar=self.takedowns.bar,
            forget_elsewhere=self.forget_elsewhere,
            met=self._met,
            threads=self.threads,
        )

    # -- for its parts and its API ------------------------------------------------------------------------------------

    @property
    def workers(self) -> list[Worker]:
        """Its workers, used or not."""
        return self.dispatcher.workers

    def worker_log(self, name: str) -> Path | None:
        """The log file of a runner that this service started; None of any other worker."""
        return self._processes.log_of(name)

    def restart_worker(self, name: str) -> bool:
        """Have a worker that this service started end in order and begin again; False of any other, or one that does
        not run."""
        own = self._processes.own(name)
        return own is not None and own.restart()

    def _met(self, worker: str, reason: str) -> None:
        """A worker was put into quarantine: one that was started here may be started again for it."""
        self.meters.quarantined(worker, reason)
        self._processes.heal(worker, reason)

    def _look_at_fleet(self) -> None:
        """The registry was changed here, in a thread: what that means is done at once."""
        if (crew := self.dispatcher.crew) is not None:
            self._loop.call_soon_threadsafe(crew.look)

    async def _version(self, digest: str) -> WorkflowVersion:
        known = self._versions.get(digest)
        if known is None:
            known = await asyncio.to_thread(self.releases.by_digest, digest)
            if len(self._versions) >= LIBRARY_KEPT:
                self._versions.clear()
            self._versions[digest] = known
        return known

    def forget_assets(self, digests: Iterable[str]) -> None:
        """Delete files that no job has any more, unless somebody uploaded them. Blocks."""
        forget_files(self, digests)

    async def forget_elsewhere(self) -> None:
        """Have what was purged forgotten beside the jobs, and by the workers that answer now."""
        links = {worker.name: worker.link for worker in self.workers if worker.state == "up"}
        await forget_elsewhere(self.jobs, self._here, links, self._block)

    def scrub(self) -> bool:
        """Leave nothing behind in databases of what was deleted, as far as they can while the service runs; whether
        they could now. Blocks."""
        return all([self.store.scrub(TABLES), self.engine.journal.scrub()])

    async def _block(self, call: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.threads, partial(call, *args))

    def describe(self, job: Job) -> Mapping[str, Any]:
        """The job as a webhook tells of it."""
        from ..api.job_views import job_view

        links = Links(self.link_secrets, self.service.public_base_url or self.url)
        expires_at = steady_expiry(utc_now(), timedelta(seconds=self.service.link_expiry_s))

        def link(made: Made, thumbnail: bool) -> str:
            name = f"{job.ordered.workflow}-{job.job_id[:8]}-{made.index}"
            return links.url(made.asset, expires_at=expires_at, name=name, thumbnail=thumbnail)

        return job_view(job, link).model_dump(mode="json")
