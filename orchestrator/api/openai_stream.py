"""An image as OpenAI streams it: events that show how it looks so far, then the finished one."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from ...clock import utc_now
from ...errors import MintmarkError, NotAuthenticated, OutputWithheld, WaitedTooLong, from_dict
from ..dispatch.news import JobChanged, PreviewShown
from ..generations import openai_answer
from . import problems
from .openai_errors import error_of

if TYPE_CHECKING:
    from ..generations.openai_body import OpenAIOptions
    from ..jobs.job import Job
    from .call import Call

LOOK_S = 1.0
KEEP_ALIVE_S = 15.0


async def stream(call: Call[Any, Any], body: OpenAIOptions, kind: str, job: Job, wait_s: float) -> web.StreamResponse:
    """Send the events of the job. ``kind``: ``image_generation`` or ``image_edit``."""
    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "x-request-id": job.job_id}
    answer = web.StreamResponse(headers={**headers, **call.told})
    await answer.prepare(call.request)
    try:
        found = await _follow(call, body, kind, answer, job.job_id, wait_s)
        said = await _end(call, body, kind, found, job.job_id)
    except NotAuthenticated as exc:
        said = _error(exc)
    await _send(answer, said)
    await answer.write_eof()
    return answer


async def _follow(
    call: Call[Any, Any], body: OpenAIOptions, kind: str, answer: web.StreamResponse, job_id: str, wait_s: float
) -> Job | None:
    """Show what is shown until the job is over or the time is up. Raises NotAuthenticated where the caller's key ends
    before."""
    clock = asyncio.get_running_loop().time
    until, shown, quiet_since = clock() + wait_s, 0, clock()
    async with call.service.news.listen(job_id) as facts:
        while True:
            await call.again()
            job = await call.block(call.service.jobs.get, job_id)
            if job is None or job.state.terminal or clock() >= until:
                return job
            look_at = clock() + LOOK_S
            while (left := look_at - clock()) > 0:
                fact = await facts.next(left)
                if isinstance(fact, JobChanged):
                    break
                if isinstance(fact, PreviewShown) and shown < (body.partial_images or 0):
                    await call.again()
                    seen = openai_answer.partial(
                        body, kind, int(utc_now().timestamp()), shown, fact.data, fact.media_type
                    )
                    await _send(answer, seen)
                    shown, quiet_since = shown + 1, clock()
            if clock() - quiet_since > KEEP_ALIVE_S:
                await answer.write(b": \n\n")
                quiet_since = clock()


async def _end(call: Call[Any, Any], body: OpenAIOptions, kind: str, job: Job | None, job_id: str) -> dict[str, Any]:
    error = failure(job, job_id)
    if job is None or error is not None:
        return _error(error or problems.defect())
    made = openai_answer.pictures(job)[0]
    return openai_answer.completed(body, kind, job, await call.block(call.service.assets.read, made.asset))


def _error(error: MintmarkError) -> dict[str, Any]:
    return {"type": "error", **error_of(problems.problem_of(error)).model_dump()}


def failure(job: Job | None, job_id: str) -> MintmarkError | None:
    """Why there is no image; None where there is one."""
    if job is None or not job.state.terminal:
        hint = f"It goes on: GET /v1/jobs/{job_id}."
        return WaitedTooLong("The job was not over in time.", hint=hint, job_id=job_id)
    if job.state.value == "succeeded":
        return None if openai_answer.pictures(job) else _withheld(job)
    told = job.failure
    if told is None:
        return from_dict({"code": "canceled", "message": "The job was canceled."})
    return from_dict({"code": told.code, "message": told.message, "hint": told.hint})


def _withheld(job: Job) -> OutputWithheld | None:
    if not any(made.withheld for made in job.outputs):
        return None
    hint = f"Once somebody has accepted it: GET /v1/jobs/{job.job_id}."
    return OutputWithheld("A person has to accept the image first.", hint=hint, job_id=job.job_id)


async def _send(answer: web.StreamResponse, event: dict[str, Any]) -> None:
    await answer.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
