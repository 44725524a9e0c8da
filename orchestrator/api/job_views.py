"""A job as the API tells of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import Field

from ...errors import from_dict
from ...generation.context import Receipt
from ..jobs.job import Job, JobEvent, Made
from .naming import mark, marked, named
from .problems import problem_of
from .shapes import View

Status = Literal["queued", "running", "succeeded", "failed", "canceled"]


class JobAccepted(View):
    """The job is taken in; nothing but its deletion makes it go away."""

    job_id: str
    status: Status
    warnings: list[str] = Field(
        default=[],
        description="A model that it names ends within a month, and what replaces it; what it asked in vain.",
    )


class Safety(View):
    """What moderation said of an output; ``allowed`` is null where nobody could judge it."""

    allowed: bool | None
    categories: list[str] = Field(default=[])


class CredentialView(View):
    """The content credential, as read back from the very bytes."""

    state: str | None
    issuer: str | None


class OutputView(View):
    """One file that a job made."""

    index: int
    output: str | None = Field(description="The workflow's output that it is.")
    image_url: str | None = Field(
        description="Signed; opens the file until it expires. Null where it is withheld from this key."
    )
    thumbnail_url: str | None
    media_type: str
    width: int | None
    height: int | None
    bytes: int
    seed: int | None
    sha256: str
    safety: Safety
    credential: CredentialView | None
    aesthetic_score: float | None = Field(description="Where the workflow ranked it.")
    accepted: bool | None = Field(description="What a person said of it.")
    withheld: bool = Field(
        default=False,
        description="Policy wants a person to accept it first; until then only keys with the scope `review` see it.",
    )


class ReceiptView(View):
    """One hosted call's money."""

    call_id: str
    provider: str
    model: str
    request_id: str | None
    microusd: int
    state: Literal["settled", "unknown", "cached", "local"]
    price_source: str | None = Field(
        default=None, description="Who says that it costs so much: the provider, or where the price was read, and when."
    )


class MetricsView(View):
    """Where the time went, in whole milliseconds."""

    latency_ms: int
    queue_ms: int
    run_ms: int
    post_ms: int
    steps: int | None


class ErrorView(View):
    """Why the job failed."""

    code: str
    message: str
    hint: str
    node: str | None = Field(description="The graph's node, where one is to blame.")


class WorkflowView(View):
    """The release that runs, whatever its alias points to later."""

    name: str
    version: str
    digest: str


class JobView(View):
    """A job as it stands."""

    job_id: str
    status: Status
    outcome: str | None = Field(description="The step that ended it, such as `superseded` or `deadline_passed`.")
    workflow: WorkflowView
    project: str
    key_id: str | None
    user: str | None
    priority: int
    submitted_at: datetime
    start_at: datetime | None
    deadline: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    attempt: int
    worker: str | None = Field(
        description="Its name, or a mark where its address is its name; `/v1/workers/{worker}` takes both."
    )
    outputs: list[OutputView]
    receipts: list[ReceiptView]
    cost_microusd: int
    allowance_microusd: int
    metrics: MetricsView | None
    metadata: dict[str, Any]
    error: ErrorView | None
    supersedes: str | None
    cached: bool = Field(description="An earlier job's result was given again.")
    purged: bool = Field(description="Its content was deleted; what it cost is kept.")
    warnings: list[str] = Field(
        default=[],
        description="As of its acceptance: a model that it names ends within a month; what it asked in vain.",
    )


class JobPage(View):
    """Jobs, the newest first."""

    jobs: list[JobView]
    next: str | None = Field(description="The `cursor` of the next page; null on the last one.")


class EventView(View):
    """One fact of a job's life."""

    seq: int
    kind: str
    at: datetime
    data: dict[str, Any]


Link = Callable[[Made, bool], str]
"""The signed URL of an output, or (True) of its thumbnail."""

_DATED = re.compile(r"(.+?)(?:[;:,] .*| \(.*)? (\(\d{4}-\d\d-\d\d\))", re.DOTALL)
"""Where a price was read, what else the catalog notes of that, and the day: the note is the catalog's own."""
_PICTURES = ("image/png", "image/jpeg", "image/webp")


def accepted(job: Job) -> JobAccepted:
    """The short answer to an order."""
    return JobAccepted(job_id=job.job_id, status=job.state.value, warnings=list(job.ordered.warnings))


def job_view(job: Job, link: Link, *, reviewer: bool = False) -> JobView:
    """The whole job; ``reviewer`` sees what is withheld."""
    ordered = job.ordered
    return JobView(
        job_id=job.job_id,
        status=job.state.value,
        outcome=job.outcome.value if job.outcome else None,
        workflow=WorkflowView(name=ordered.workflow, version=ordered.version, digest=ordered.digest),
        project=ordered.project,
        key_id=ordered.key_id,
        user=ordered.end_user,
        priority=ordered.priority,
        submitted_at=job.submitted_at,
        start_at=ordered.not_before,
        deadline=ordered.deadline,
        started_at=job.started_at,
        ended_at=job.ended_at,
        attempt=job.attempt,
        worker=mark(job.worker) if job.worker else None,
        outputs=[_output(made, link, shown=reviewer or not made.withheld) for made in job.outputs],
        receipts=[_receipt(receipt) for receipt in job.receipts],
        cost_microusd=job.cost_microusd,
        allowance_microusd=ordered.allowance_microusd,
        metrics=_metrics(job),
        metadata=dict(ordered.metadata),
        error=_error(job),
        supersedes=ordered.supersedes,
        cached=job.cached,
        purged=job.purged,
        warnings=list(ordered.warnings),
    )


def event_view(event: JobEvent) -> EventView:
    """A fact, as SSE and websocket carry it."""
    return EventView(seq=event.seq, kind=event.kind, at=event.at, data=marked(event.data))


def _receipt(receipt: Receipt) -> ReceiptView:
    said = receipt.price_source
    dated = _DATED.fullmatch(said) if said else None
    return ReceiptView(**{**receipt.model_dump(), "price_source": " ".join(dated.groups()) if dated else said})


def _metrics(job: Job) -> MetricsView | None:
    if job.metrics is not None:
        return MetricsView(**job.metrics.model_dump())
    if not job.cached or job.ended_at is None:
        return None
    # Nothing ran: what was made before was given again.
    latency = (job.ended_at - job.submitted_at) // timedelta(milliseconds=1)
    return MetricsView(latency_ms=latency, queue_ms=0, run_ms=0, post_ms=0, steps=None)


def _output(made: Made, link: Link, *, shown: bool) -> OutputView:
    verdict = made.verdict
    return OutputView(
        index=made.index,
        output=made.output,
        image_url=link(made, False) if shown else None,
        thumbnail_url=link(made, True) if shown and made.media_type in _PICTURES else None,
        media_type=made.media_type,
        width=made.width,
        height=made.height,
        bytes=made.bytes,
        seed=made.seed,
        sha256=made.asset,
        safety=Safety(
            allowed=None if verdict is None else verdict.get("decision") != "blocked" and not made.withheld,
            categories=list((verdict or {}).get("categories") or ()),
        ),
        credential=None
        if made.credential is None
        else CredentialView(state=made.credential.get("state"), issuer=made.credential.get("issuer")),
        aesthetic_score=made.score,
        accepted=made.accepted,
        withheld=made.withheld,
    )


def _error(job: Job) -> ErrorView | None:
    failure = job.failure
    if failure is None:
        return None
    # As a problem would tell it: without the words that are the operator's, and the addresses of workers.
    told = problem_of(
        from_dict({"code": failure.code, "message": failure.message, "hint": failure.hint}), worker=job.worker
    )
    return ErrorView(code=failure.code, message=told.detail, hint=told.hint, node=failure.node)


class WhyView(View):
    """Why a job stands where it stands."""

    job_id: str
    status: Status
    text: str = Field(description="All of it, in words.")
    reason: Literal["warm", "cold", "any", "waits_for_warm", "overtaken", "all_busy", "nobody_can"] | None = Field(
        description="What was decided of a job that waits; null where there is nothing to decide."
    )
    worker: str | None = Field(description="Where it runs, or would run now.")
    waits_for: str | None = Field(description="The worker that it waits for, which has its models in memory.")
    evicts: list[str] = Field(description="Models that would have to go there.")
    against: dict[str, str] = Field(description="Of each worker that cannot run it: why not.")
    ahead: int | None = Field(
        description="How many jobs go first that have a worker now; null where that is not counted."
    )


def by_names(view: WhyView) -> WhyView:
    """The same for those who may not know where workers are."""
    names = {"worker": view.worker and mark(view.worker), "waits_for": view.waits_for and mark(view.waits_for)}
    against = {mark(name): named(why) for name, why in view.against.items()}
    return view.model_copy(update={**names, "against": against, "text": named(view.text)})
