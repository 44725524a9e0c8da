"""One job from submission to signed files: allow, hand over, submit, follow, fetch, check, deliver, settle, give back.

Each step can be repeated after a crash without doing its work twice; see ``jobs.py`` for how a dead job is taken over.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr

from .. import log
from ..config import Settings
from ..errors import (
    MintmarkError,
    StorageError,
    UnknownJob,
    WorkerModeMismatch,
    WorkerRefused,
    from_dict,
)
from ..generation.books import account_of, postings
from ..generation.context import JobContext, JobReport, Receipt, WorkflowRef
from ..generation.sqlite_journal import utc_now
from ..metering.ledger import Ledger
from ..providers.models import Catalog
from ..workflows.bind import bind
from ..workflows.format import WorkflowVersion
from ..workflows.validate import offered, validate
from .attempt import Attempt
from .delivery import Delivered, Delivery
from .events import FilesArrived, WorkerEvent
from .hearsay import Hearsay
from .jobs import Job, JobStore, fingerprint
from .link import WorkerLink
from .protocol import History

logger = log.get("orchestrator.run")

TOKEN_LIFE = timedelta(hours=24)


class JobResult(BaseModel):
    """What ``mintmark run --json`` prints."""

    model_config = ConfigDict(frozen=True)

    job_id: str
    status: str
    workflow: WorkflowRef
    worker: str
    outputs: tuple[Delivered, ...]
    receipts: tuple[Receipt, ...]
    total_microusd: int
    timings_ms: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What to run. ``values`` are typed; ``images`` are files by input."""

    workflow: WorkflowVersion
    values: Mapping[str, Any] = field(default_factory=dict)
    images: Mapping[str, Path] = field(default_factory=dict)
    previews: bool = False
    """Whether a ComfyUI is asked for pictures of what it samples; they come as ``Preview`` events."""
    allow_unchecked: bool = False
    """Whether files are delivered that nobody here can judge (video, audio, 3D, text); see ``delivery.py``."""
    worker_name: str
    """How the worker is called in results: its URL, or ``runner`` for one that was started for this run."""
    out_dir: Path


Heard = Callable[[WorkerEvent], None]


@dataclass(kw_only=True)
class JobRunner:
    """Runs jobs on one worker, keeping this machine's ledger and jobs."""

    settings: Settings
    link: WorkerLink
    ledger: Ledger
    store: JobStore
    delivery: Delivery

    async def run(self, request: RunRequest, heard: Heard) -> JobResult:
        """Run one job to its end. Raises MintmarkError; whatever was charged until then is in the ledger."""
        clock = _Clock()
        images = await asyncio.to_thread(self._read_images, request)
        info = await self._check_worker(request.workflow)
        choices = offered(request.workflow, info)
        check_models(request.workflow, request.values, choices, utc_now().date())
        bound = bind(request.workflow, {**request.values, **await self._upload(images)}, choices=choices)
        asked = {**bound.inputs, **{name: data[2] for name, data in images.items()}}
        await self._abandon_old(request.worker_name)
        job = self._start(request, asked)
        context = self._context(job, request.workflow)
        attempt = self._attempt(request, context, bound.graph, heard)
        try:
            await asyncio.to_thread(self._allow, context)
            clock.lap("prepare")
            history = await attempt.run()
            clock.lap("run")
            report = await self._settle(context.job_id)
            self._check(history, report)
            outputs = await self.delivery.deliver(self.link, history, report, context, request)
            heard(FilesArrived(len(outputs)))
            clock.lap("deliver")
        except BaseException as exc:
            await asyncio.shield(self._end_badly(context.job_id, exc, attempt.hearsay))
            raise
        await asyncio.to_thread(self._end, context.job_id)
        return JobResult(
            job_id=context.job_id,
            status="succeeded",
            workflow=_ref(request.workflow),
            worker=request.worker_name,
            outputs=tuple(outputs),
            receipts=report.receipts,
            total_microusd=sum(receipt.microusd for receipt in report.receipts),
            timings_ms=clock.laps_ms,
        )

    # -- before ---------------------------------------------------------------------------------------------------

    def _read_images(self, request: RunRequest) -> dict[str, tuple[bytes, str, str]]:
        """(bytes, media type, digest) of each image input. Raises FileMissing, NotAnImage, ImageTooLarge."""
        from .inputs import read_image

        return {name: read_image(name, path, self.settings.max_pixels) for name, path in request.images.items()}

    async def _check_worker(self, workflow: WorkflowVersion) -> dict[str, Any]:
        """What the worker says of the workflow's nodes. Raises WorkerModeMismatch and WorkerRefused."""
        health = await self.link.health()
        if health.mode != self.settings.mode:
            raise WorkerModeMismatch(
                f"The worker at {self.link.url} is {health.mode} and this run is {self.settings.mode}.",
                hint="Run with --sandbox."
                if health.mode == "sandbox"
                else "To run live, set a key (mintmark keys set fal); or start the worker with MINTMARK_SANDBOX=1.",
            )
        info = await self._object_info(workflow)
        problems = validate(workflow, info)
        if problems:
            text = "; ".join(str(problem) for problem in problems)
            raise WorkerRefused(f"{workflow.label} does not fit the worker at {self.link.url}: {text}")
        return info

    async def _object_info(self, workflow: WorkflowVersion) -> dict[str, Any]:
        classes = sorted(set(workflow.requires.nodes))
        found = await asyncio.gather(*(self.link.object_info(name) for name in classes))
        return {name: info for name, info in zip(classes, found, strict=True) if info}

    async def _upload(self, images: Mapping[str, tuple[bytes, str, str]]) -> dict[str, str]:
        named = {}
        for name, (data, media_type, digest) in images.items():
            # Named by content: the same picture is uploaded under the same name, and two pictures never collide.
            extension = media_type.removeprefix("image/")
            named[name] = await self.link.upload(f"{digest[:32]}.{extension}", data, media_type)
        return named

    async def _abandon_old(self, worker: str) -> None:
        """End what nobody took over on this worker, with its money booked; what cannot be booked now waits."""
        for job_id in await asyncio.to_thread(self.store.old, worker):
            if await self._settled(job_id):
                await asyncio.to_thread(self._end, job_id, "abandoned")

    def _start(self, request: RunRequest, asked: Mapping[str, Any]) -> Job:
        key = fingerprint(
            {
                "workflow": request.workflow.digest,
                "inputs": dict(asked),
                "worker": request.worker_name,
                "mode": self.settings.mode,
                "sandbox": self.settings.sandbox_url or "",
                "account": [self.settings.project, self.settings.user, self.settings.policy],
                "allowance": self.settings.allowance_microusd,
                "promises": [self.settings.on_unknown, self.settings.keep_prompt],
            }
        )
        return self.store.start(key, request.workflow.label, request.worker_name)

    def _context(self, job: Job, workflow: WorkflowVersion) -> JobContext:
        return JobContext(
            job_id=job.job_id,
            project=self.settings.project,
            user=self.settings.user,
            policy=self.settings.policy,
            allowance_microusd=self.settings.allowance_microusd,
            mode=self.settings.mode,
            on_unknown="available" if self.settings.on_unknown == "available" else "strict",
            keep_prompt=self.settings.keep_prompt,
            workflow=_ref(workflow),
            token=SecretStr(secrets.token_urlsafe(32)),
            expires_at=utc_now() + TOKEN_LIFE,
        )

    def _allow(self, context: JobContext) -> None:
        self.ledger.allow(context.job_id, context.allowance_microusd, account_of(context))

    def _attempt(self, request: RunRequest, context: JobContext, graph: Mapping[str, Any], heard: Heard) -> Attempt:
        # Never extra_pnginfo: save nodes write that into files.
        extra = {"preview_method": "auto"} if request.previews else {}
        return Attempt(link=self.link, context=context, graph=graph, extra=extra, heard=heard, book=self._book)

    # -- after ----------------------------------------------------------------------------------------------------

    async def _settle(self, job_id: str) -> JobReport:
        """Close the job on the worker and book its whole journal."""
        report = await self.link.close_job(job_id)
        since = 0
        while (page := await self.link.journal(since, job_id)).entries:
            await asyncio.to_thread(self._book, page.entries)
            since = page.next
        return report

    def _book(self, entries: Any) -> None:
        self.ledger.post(postings(entries))

    def _check(self, history: History, report: JobReport) -> None:
        if history.error is None:
            return
        if history.status == "error" and report.failures:
            # The journal kept the failure whole; the event only had its text.
            raise from_dict(report.failures[-1])
        raise history.error

    async def _settled(self, job_id: str, hearsay: Hearsay | None = None) -> bool:
        """Settle if that can be done now.

        A worker that does not know the job has spent nothing for it, unless something else was heard: then its journal
        is gone, and every call whose end was not heard counts as unknown.
        """
        try:
            await self._settle(job_id)
        except UnknownJob:
            if hearsay is not None:
                await asyncio.to_thread(self.ledger.post, hearsay.doubtful())
            return True
        except MintmarkError as problem:
            logger.warning("Job %s could not be settled: %s", job_id, problem, extra=log.action("settle_failed"))
            return False
        return True

    async def _end_badly(self, job_id: str, exc: BaseException, hearsay: Hearsay) -> None:
        """End the job, unless the same thing asked again must find it.

        It must where the worker's books cannot be read now (its money stays set aside), and where what is paid for was
        refused by the disk or for want of a flag: the next run brings that home and asks nobody again.
        """
        if not await self._settled(job_id, hearsay):
            return
        if isinstance(exc, StorageError) or (isinstance(exc, MintmarkError) and exc.data.get("keep_open")):
            await asyncio.to_thread(self.ledger.close_job, job_id)
            return
        canceled = isinstance(exc, asyncio.CancelledError)
        outcome = "canceled" if canceled or getattr(exc, "code", "") == "canceled" else "failed"
        await asyncio.to_thread(self._end, job_id, outcome, getattr(exc, "code", type(exc).__name__))

    def _end(self, job_id: str, outcome: Any = "succeeded", error: str | None = None) -> None:
        self.ledger.close_job(job_id)
        self.store.end(job_id, outcome, error)


def check_models(workflow: WorkflowVersion, values: Mapping[str, Any], choices: Mapping[str, Any], today: date) -> None:
    """For a model that the worker does not offer, say what became of it, not only that it is none of the choices.

    Raises ModelRetired naming the replacement, and UnknownModel naming close matches.
    """
    for spec in workflow.inputs:
        value = values.get(spec.name)
        if spec.choices_from is None or spec.choices_from.input != "model" or not isinstance(value, str):
            continue
        if value not in choices.get(spec.name, (value,)):
            Catalog.load().get(value, today)


class _Clock:
    def __init__(self) -> None:
        self._started = self._last = time.monotonic()
        self.laps_ms: dict[str, int] = {}

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps_ms[name] = round((now - self._last) * 1000)
        self.laps_ms["total"] = round((now - self._started) * 1000)
        self._last = now


def _ref(workflow: WorkflowVersion) -> WorkflowRef:
    return WorkflowRef(name=workflow.name, version=workflow.version, digest=workflow.digest)
