"""Running a published workflow: once, or up to ten thousand times in one stream."""

from __future__ import annotations

from aiohttp import web

from . import submitting
from .batches import ANSWER, CONTENT, run_batch
from .call import Call, Reply
from .intake import Asked, split
from .order_shapes import RunBody
from .routing import PREFER, NoQuery, Routes

routes = Routes("jobs")


@routes.post(
    "/v1/workflows/{name}/runs",
    "Run a workflow",
    scope="submit",
    body=RunBody,
    answers=submitting.ANSWERS,
    problems=submitting.PROBLEMS,
    headers=(PREFER,),
    creates=True,
    orders=True,
)
async def run_workflow(call: Call[RunBody, NoQuery]) -> Reply:
    """Each published workflow has its own path in this document, with its inputs typed."""

    async def ask() -> Asked:
        body = call.body
        reference = f"{call.path['name']}@{body.version}" if body.version else call.path["name"]
        releases = call.service.releases
        sticky = body.user or call.caller.key_id
        known = releases.at_hand(reference, sticky=sticky)
        version = await call.block(releases.resolve, reference, sticky=sticky) if known is None else known
        values, pictures = split(version, body.inputs)
        return Asked(version=version, values=values, pictures=pictures, options=body, surface="workflows")

    return await submitting.submit(call, ask)


@routes.post(
    "/v1/batches",
    "Run many",
    scope="submit",
    content=CONTENT,
    answers=(ANSWER,),
    creates=True,
    orders=True,
)
async def run_many(call: Call[None, NoQuery]) -> web.StreamResponse:
    """Up to 10,000 lines of JSON, each a run with its ``workflow``; answered line by line while they come in: the job,
    or the problem of that line alone. With an ``Idempotency-Key`` a batch that broke off can be sent again whole: each
    line that was taken in then is the job that it made."""
    return await run_batch(call)
