"""From an order to its answer: replayed, accepted or refused, and waited for where the caller prefers that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ...clock import utc_now
from ...errors import ServiceStopping, UnknownJob
from ...storage.assets.links import Links, steady_expiry
from ..dispatch.news import JobChanged
from ..jobs.job import Ending
from ..jobs.states import Step
from . import job_views
from .call import Call, Reply
from .routing import LOCATION, REPLAYED, Answer, Header
from .streams import STREAMS
from .waiting import ended

if TYPE_CHECKING:
    from ..jobs.base import Idempotency
    from ..jobs.job import Job, Made, Ordered
    from .intake import Asked

APPLIED = Header("Preference-Applied", "What of `Prefer` was done.")
JOB_LINKS = {"job_id": "$response.body#/job_id"}
ANSWERS = (
    Answer(
        status=202,
        description="Taken in.",
        model=job_views.JobAccepted,
        headers=(LOCATION, REPLAYED),
        links=JOB_LINKS,
    ),
    Answer(
        status=200,
        description="Over within the time of `Prefer: wait`.",
        model=job_views.JobView,
        headers=(LOCATION, REPLAYED, APPLIED),
        links=JOB_LINKS,
    ),
)
"""How an order is answered."""
STOPPING_S = 5
"""When those are asked to come again who come while the service is stopping, in seconds."""
PROBLEMS = (402, 403, 404, 413)
"""What may be wrong with one, beside what may be wrong with any request."""


async def submit(call: Call[Any, Any], ask: Callable[[], Awaitable[Asked]]) -> Reply:
    """Take the order in that ``ask`` makes, or give what its idempotency key made before."""
    job, replayed = await taken(call, ask, call.idempotency)
    return await answer(call, job, replayed=replayed)


async def taken(call: Call[Any, Any], ask: Callable[[], Awaitable[Asked]], key: Idempotency | None) -> tuple[Job, bool]:
    """The job that was made, or that the key made before (and whether it was)."""
    jobs = call.service.jobs
    known = await call.block(jobs.replay, key) if key else None
    if known is not None:
        return known, True
    check_open(call)
    ordered = await call.intake.order(call.caller, await ask())
    ending = await _given_before(call, ordered)
    accepted = await call.service.dispatcher.accept(ordered, key, ending=ending)
    # Told again, with this order counted.
    call.told.update(await call.service.access.left(call.caller, ordered.end_user))
    return accepted.job, accepted.replayed


def check_open(call: Call[Any, Any]) -> None:
    """Raises ServiceStopping where nothing new is taken."""
    if call.service.dispatcher.draining:
        raise ServiceStopping(
            "The service is being stopped.",
            hint="Send it again in a moment; with an Idempotency-Key it is surely made once.",
            retry_after_s=STOPPING_S,
        )


async def _given_before(call: Call[Any, Any], ordered: Ordered) -> Ending | None:
    """How the same order ended before, where the caller takes that and its files are still here."""
    if ordered.cache_key is None:
        return None
    job = await call.block(call.service.jobs.cached, ordered.cache_key)
    if job is None or not job.outputs:
        return None
    for made in job.outputs:
        if not await call.block(call.service.assets.exists, made.asset):
            return None
    return Ending(step=Step.SUCCEEDED, outputs=job.outputs)


def tell(call: Call[Any, Any], job: Job) -> None:
    """Whoever looks for work, and whoever follows what this one supersedes, need not wait for their next look."""
    call.service.news.wake()
    if job.ordered.supersedes:
        call.service.news.publish(job.ordered.supersedes, JobChanged(job.ordered.supersedes))


async def answer(call: Call[Any, Any], job: Job, *, replayed: bool = False) -> Reply:
    """202 with its id, or 200 with all of it where it ended while the caller was willing to wait. Who has as many
    streams open as may be is not waited for: the job is there, and a preference is none of its conditions."""
    headers = {"Location": f"/v1/jobs/{job.job_id}", **({"Idempotent-Replayed": "true"} if replayed else {})}
    seconds, streams, whose = call.wait_s, call.request.app[STREAMS], call.caller.name
    if seconds is not None and not streams.full(whose):
        ready: list[tuple[Job, job_views.JobView]] = []
        with streams.one(whose):
            found = await ended(
                call,
                job.job_id,
                seconds,
                None if replayed else job,
                # Made while the disk is waited for.
                ending=lambda over: ready.append((over, view(call, over))),
            )
        if found is not None and found.state.terminal:
            applied = {"Preference-Applied": f"wait={seconds:g}"}
            made = next((made for over, made in ready if over is found), None) or view(call, found)
            return Reply(200, made, {**headers, **applied})
    return Reply(202, job_views.accepted(job), headers)


def view(call: Call[Any, Any], job: Job) -> job_views.JobView:
    """The job with links to its files that open them for a while."""
    service = call.service
    expires_at = steady_expiry(utc_now(), timedelta(seconds=service.service.link_expiry_s))
    links = Links(service.link_secrets, service.service.public_base_url or str(call.request.url.origin()))

    def link(made: Made, thumbnail: bool) -> str:
        name = f"{job.ordered.workflow}-{job.job_id[:8]}-{made.index}"
        return links.url(made.asset, expires_at=expires_at, name=name, thumbnail=thumbnail)

    return job_views.job_view(job, link, reviewer=call.caller.is_admin or "review" in call.caller.scopes)


async def find(call: Call[Any, Any]) -> Job:
    """The job of the path, where the caller may see it. Raises UnknownJob."""
    job = await call.block(call.service.jobs.get, call.job_id)
    if job is None or not call.caller.sees(job.ordered.project):
        raise UnknownJob(f"There is no job {call.job_id}.", hint="Is the key of the project that made it?")
    return job
