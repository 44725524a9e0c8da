"""Jobs: shown, listed, canceled, asked again, forgotten, followed; their outputs accepted or rejected."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from aiohttp import web
from pydantic import Field, model_validator

from ...clock import utc_now
from ...errors import InvalidInput, NotFound, UpgradeRequired, WrongState
from ..dispatch import why
from ..dispatch.news import JobChanged
from ..jobs.base import Filter
from ..jobs.job import Job
from ..jobs.states import State
from . import events, job_views, sockets, submitting
from .call import Call, Reply
from .paging import LIMIT, MOST, Cursor, cursor_of, seq_of
from .routing import LAST_EVENT_ID, PREFER, Answer, NoQuery, Routes
from .shapes import Body, Query, Time
from .streams import STREAMS

routes = Routes("jobs")

_PREFIX = "metadata."
_NAMES = "|".join(each.value for each in State)
JOB = Answer(status=200, description="The job.", model=job_views.JobView)


class JobsQuery(Query):
    """Which jobs to list."""

    MORE: ClassVar[list[dict[str, Any]]] = [
        {
            "name": "metadata",
            "in": "query",
            "style": "form",
            "explode": True,
            "description": "`metadata.NAME=VALUE`: only jobs with this fact, as text.",
            "schema": {
                "type": "object",
                "maxProperties": 16,
                "propertyNames": {"pattern": r"^metadata\.[A-Za-z0-9_-]{1,64}$"},
                "additionalProperties": {"type": "string", "maxLength": 512},
            },
        }
    ]

    status: str | None = Field(
        default=None, pattern=f"^({_NAMES})(,({_NAMES}))*$", max_length=100, description="One or several, with commas."
    )
    workflow: str | None = Field(default=None, max_length=64, description="The workflow's name.")
    key: str | None = Field(default=None, max_length=64, description="The id of the key that it came with.")
    user: str | None = Field(default=None, max_length=128, description="The `user` of the order.")
    since: Time | None = Field(default=None, description="Submitted then or later.")
    until: Time | None = Field(default=None, description="Submitted before.")
    cursor: Cursor | None = Field(default=None, description="`next` of the page before.")
    limit: int = Field(default=LIMIT, ge=1, le=MOST, description="How many on a page.")
    by_metadata: dict[str, str] = Field(default={}, alias=_PREFIX, json_schema_extra={"x-hidden": True})

    @model_validator(mode="before")
    @classmethod
    def _metadata(cls, given: dict[str, Any]) -> dict[str, Any]:
        if _PREFIX in given:
            return given
        asked = {name: value for name, value in given.items() if re.fullmatch(r"metadata\.[\w-]{1,64}", name)}
        rest = {name: value for name, value in given.items() if name not in asked}
        return {**rest, _PREFIX: {name.removeprefix(_PREFIX): value for name, value in asked.items()}}


class Judgement(Body):
    """What a person says of an output."""

    reason: str | None = Field(default=None, max_length=1000, description="Kept with the job's events.")


@routes.get(
    "/v1/jobs",
    "List jobs",
    scope="read",
    query=JobsQuery,
    answers=(Answer(status=200, description="A page.", model=job_views.JobPage),),
)
async def list_jobs(call: Call[None, JobsQuery]) -> Reply:
    """The newest first; of the key's own project, of all for an admin."""
    asked = call.query
    where = Filter(
        states=[State(each) for each in asked.status.split(",")] if asked.status else None,
        workflow=asked.workflow,
        key_id=asked.key,
        project=None if call.caller.is_admin else call.caller.project,
        user=asked.user,
        metadata=asked.by_metadata,
        since=asked.since,
        until=asked.until,
    )
    before = seq_of(asked.cursor)
    found = await call.block(call.service.jobs.find, where, before=before, limit=asked.limit + 1)
    shown = found[: asked.limit]
    following = cursor_of(shown[-1].seq) if len(found) > len(shown) else None
    return Reply(200, job_views.JobPage(jobs=[submitting.view(call, job) for job in shown], next=following))


@routes.get("/v1/jobs/{job_id}", "Show a job", scope="read", also="review", answers=(JOB,))
async def show_job(call: Call[None, NoQuery]) -> Reply:
    """How it stands; when it is over, what it made and what that cost. Whoever may judge it (`review`) sees it, too."""
    return Reply(200, submitting.view(call, await submitting.find(call)))


@routes.get(
    "/v1/jobs/{job_id}/why",
    "Why a job waits, or where it runs",
    scope="read",
    answers=(Answer(status=200, description="What was decided, and why.", model=job_views.WhyView),),
)
async def explain_job(call: Call[None, NoQuery]) -> Reply:
    """What placement decides on it now: who runs it, what it waits for, why which worker cannot run it."""
    job = await submitting.find(call)
    text = why.standing(job, utc_now(), paused=await call.block(call.service.jobs.is_paused))
    decided = None if text else await call.service.dispatcher.decide(job)
    choice = decided.choice if decided else None
    view = job_views.WhyView(
        job_id=job.job_id,
        status=job.state.value,
        text=text if decided is None else why.placed(decided),
        reason=choice.reason if choice else None,
        worker=choice.worker if choice else job.worker,
        waits_for=choice.waits_for if choice else None,
        evicts=list(choice.evicts) if choice else [],
        against=dict(decided.against) if decided else {},
        ahead=decided.ahead if decided else None,
    )
    return Reply(200, view if call.caller.is_admin else job_views.by_names(view))


@routes.post("/v1/jobs/{job_id}/cancel", "Cancel a job", scope="submit", answers=(JOB,), problems=(409,))
async def cancel_job(call: Call[None, NoQuery]) -> Reply:
    """One that waits is over at once and its money free; one that runs is stopped, which takes a moment. One that was
    canceled already is as it was asked to be."""
    found = await submitting.find(call)
    if found.state is State.CANCELED:
        return Reply(200, submitting.view(call, found))
    job = await call.block(call.service.jobs.cancel, call.job_id)
    call.service.news.publish(job.job_id, JobChanged(job.job_id))
    call.service.dispatcher.look()
    return Reply(200, submitting.view(call, job))


@routes.post(
    "/v1/jobs/{job_id}/retry",
    "Order a job again",
    scope="submit",
    answers=submitting.ANSWERS,
    problems=(402, 403, 404, 409),
    headers=(PREFER,),
    creates=True,
    orders=True,
)
async def retry_job(call: Call[None, NoQuery]) -> Reply:
    """A new job with the same release and values, for one that failed or was canceled. It is of whoever asks: booked on
    that key, its project and its user, and moderated by the rules that hold now."""
    service, key = call.service, call.idempotency
    known = await call.block(service.jobs.replay, key) if key else None
    if known is not None:
        return await submitting.answer(call, known, replayed=True)
    submitting.check_open(call)
    old = await submitting.find(call)
    await call.serves(old.ordered.end_user)
    _check_again(old)
    version = await call.block(service.releases.by_digest, old.ordered.digest)
    again = await call.intake.again(call.caller, old.ordered, version)
    accepted = await call.block(service.jobs.accept, again, key)
    submitting.tell(call, accepted.job)
    return await submitting.answer(call, accepted.job, replayed=accepted.replayed)


def _check_again(job: Job) -> None:
    if job.state not in (State.FAILED, State.CANCELED) or job.forgotten:
        what = "purged" if job.forgotten else job.state.value
        raise WrongState(f"The job is {what}; only one that failed or was canceled is ordered again.")


@routes.delete(
    "/v1/jobs/{job_id}",
    "Forget a job's content",
    scope="submit",
    answers=(Answer(status=204, description="Its values, pictures and outputs are gone."),),
    problems=(409,),
)
async def purge_job(call: Call[None, NoQuery]) -> Reply:
    """What it cost, and that it was, is kept."""
    await submitting.find(call)
    orphans = await call.block(call.service.jobs.purge, call.job_id, by=call.caller.name)
    await call.block(call.service.forget_assets, orphans)
    call.service.news.publish(call.job_id, JobChanged(call.job_id))
    return Reply(204)


@routes.post(
    "/v1/jobs/{job_id}/outputs/{index}/accept",
    "Accept an output",
    scope="review",
    body=Judgement,
    answers=(JOB,),
    problems=(409,),
)
async def accept_output(call: Call[Judgement, NoQuery]) -> Reply:
    """A person says that it may be used."""
    return await _judge(call, accepted=True)


@routes.post(
    "/v1/jobs/{job_id}/outputs/{index}/reject",
    "Reject an output",
    scope="review",
    body=Judgement,
    answers=(JOB,),
    problems=(409,),
)
async def reject_output(call: Call[Judgement, NoQuery]) -> Reply:
    """A person says that it may not be used. What it cost per accepted image is reckoned without it."""
    return await _judge(call, accepted=False)


async def _judge(call: Call[Judgement, NoQuery], *, accepted: bool) -> Reply:
    await submitting.find(call)
    index, said = int(call.path["index"]), {"by": call.caller.name, "reason": call.body.reason}
    try:
        job = await call.block(call.service.jobs.judge, call.job_id, index, accepted=accepted, **said)
    except InvalidInput as exc:
        raise NotFound(exc.message, hint=exc.hint) from exc
    call.service.news.publish(call.job_id, JobChanged(call.job_id))
    return Reply(200, submitting.view(call, job))


class EventsQuery(Query):
    """Where to begin."""

    after: int = Field(default=0, ge=0, lt=2**62, description="Begin after this event; as `Last-Event-ID` says it.")


@routes.get(
    "/v1/jobs/{job_id}/events",
    "Follow a job (SSE)",
    scope="read",
    query=EventsQuery,
    headers=(LAST_EVENT_ID,),
    answers=(
        Answer(
            status=200,
            description="Server-sent events until the job is over.",
            media_type=events.MEDIA_TYPE,
            schema=events.SCHEMA,
            item=job_views.EventView,
        ),
    ),
)
async def follow_job(call: Call[None, EventsQuery]) -> web.StreamResponse:
    """Everything that happened to it, from the beginning or after ``Last-Event-ID``, then what happens. Durable facts
    have an ``id``; ``progress`` has none. A stream that ends before the job is over is to be opened again."""
    job = await submitting.find(call)
    with call.request.app[STREAMS].one(call.caller.name):
        return await events.stream(call, job.job_id)


@routes.get(
    "/v1/jobs/{job_id}/ws",
    "Follow a job (websocket)",
    scope="read",
    query=sockets.SocketQuery,
    answers=(Answer(status=101, description="Messages as JSON until the job is over."),),
    problems=(426,),
)
async def watch_job(call: Call[None, sockets.SocketQuery]) -> web.StreamResponse:
    """``{"type": "event", …}`` for what is durable, ``{"type": "progress", "percentage", "eta_s", "node"}``, and
    pictures on the way where the order asked for ``previews``: binary, or in base64 with ``previews=base64``."""
    job = await submitting.find(call)
    if not sockets.wanted(call.request):
        raise UpgradeRequired("This is a websocket.", hint="Or read the events beside it: /v1/jobs/{job_id}/events.")
    with call.request.app[STREAMS].one(call.caller.name):
        return await sockets.watch(call, job.job_id)
