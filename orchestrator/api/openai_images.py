"""Images as OpenAI's clients ask for them. Each request is a job like any other, waited for."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web

from ...clock import utc_now
from ...storage.assets.links import Links, steady_expiry
from ...storage.assets.uploads import of_order
from ..generations import openai_answer, openai_body
from ..generations.images import order
from ..generations.masks import with_holes
from ..generations.openai_answer import OpenAIImage, OpenAIImages
from ..generations.openai_body import OpenAIGeneration, OpenAIOptions
from . import openai_stream, problems, submitting
from .call import Call, Reply
from .intake import Asked
from .openai_errors import FAULTS, response
from .openai_forms import CONTENT, Form, read_form
from .order_shapes import Options
from .routing import REPLAYED, Answer, Header, NoQuery, Routes
from .streams import STREAMS
from .waiting import ended

if TYPE_CHECKING:
    from ...providers.request import Task
    from ..generations.body import ImageWish
    from ..jobs.base import Idempotency
    from ..jobs.job import Job, Made

routes = Routes("openai", FAULTS)
WAIT_S = 600.0
"""How long an answer is waited for: as long as OpenAI's clients wait."""
REQUEST_ID = Header("x-request-id", "The job's id.")
ANSWERS = (
    Answer(status=200, description="The images.", model=OpenAIImages, headers=(REQUEST_ID, REPLAYED)),
    Answer(
        status=200,
        description="With `stream`: how it looks so far, then the image.",
        media_type="text/event-stream",
        schema={"type": "string"},
    ),
)
PROBLEMS = (402, 403, 404, 409, 413, 502, 504)


@routes.post(
    "/openai/v1/images/generations",
    "Generate images (OpenAI)",
    scope="submit",
    body=OpenAIGeneration,
    answers=ANSWERS,
    problems=PROBLEMS,
    creates=True,
    orders=True,
)
async def openai_generate(call: Call[OpenAIGeneration, NoQuery]) -> Reply | web.StreamResponse:
    """As OpenAI's `POST /v1/images/generations`; errors are in OpenAI's shape, too."""
    body = call.body

    async def ask() -> Asked:
        return await _asked(call, body, openai_body.generation(body), str(uuid.uuid4()))

    return await _answer(call, body, "image_generation", ask, call.idempotency)


@routes.post(
    "/openai/v1/images/edits",
    "Edit an image (OpenAI)",
    scope="submit",
    content=CONTENT,
    answers=ANSWERS,
    problems=PROBLEMS,
    creates=True,
    orders=True,
)
async def openai_edit(call: Call[None, NoQuery]) -> Reply | web.StreamResponse:
    """As OpenAI's `POST /v1/images/edits`: a picture, or with a mask the part of it that the mask leaves open."""
    return await _edit(call)


@routes.post(
    "/openai/v1/edits",
    "Edit an image (OpenAI, short address)",
    scope="submit",
    content=CONTENT,
    answers=ANSWERS,
    problems=PROBLEMS,
    creates=True,
    orders=True,
)
async def openai_edit_short(call: Call[None, NoQuery]) -> Reply | web.StreamResponse:
    """The same as `/openai/v1/images/edits`."""
    return await _edit(call)


async def _edit(call: Call[None, NoQuery]) -> Reply | web.StreamResponse:
    form = await read_form(call)
    body = form.body()
    await call.serves(body.end_user)

    async def ask() -> Asked:
        if "mask" not in form.pictures:
            return await _asked(call, body, openai_body.edit(body, form.pictures["image"].id), form.job_id)
        picture = await _masked(call, form, body)
        return await _asked(call, body, openai_body.edit(body, picture, masked=True), form.job_id, task="inpaint")

    said = {**form.texts, **{f"file {name}": each.digest for name, each in form.pictures.items()}}
    return await _answer(call, body, "image_edit", ask, call.idempotent(said))


async def _masked(call: Call[Any, Any], form: Form, body: OpenAIOptions) -> str:
    """The picture with holes where the mask has some, for this order alone."""
    assets, pixels = call.service.assets, call.service.settings.max_pixels
    image, mask = (assets.path(form.pictures[name].digest) for name in ("image", "mask"))
    data = await call.block(with_holes, image, mask, max_pixels=pixels, size=body.size)
    return (await call.block(call.service.uploads.add, data, of_order(form.job_id))).id


async def _asked(
    call: Call[Any, Any], body: OpenAIOptions, wish: ImageWish, job_id: str, task: Task | None = None
) -> Asked:
    service = call.service
    made = await order(
        wish,
        service.releases,
        call.intake.references,
        owner=call.caller.key_id or "",
        job_id=job_id,
        sticky=body.end_user or call.caller.key_id,
        default_model=service.service.model,
        task=task,
        more=partial(openai_body.own, body),
    )
    return Asked(
        job_id=job_id,
        version=made.workflow,
        values=made.values,
        images=made.images,
        options=Options(user=body.end_user, previews=bool(body.partial_images)),
        surface="openai",
        asked={**(made.asked or {}), "ignored": list(made.ignored)},
    )


async def _answer(
    call: Call[Any, Any],
    body: OpenAIOptions,
    kind: str,
    ask: Callable[[], Awaitable[Asked]],
    key: Idempotency | None,
) -> Reply | web.StreamResponse:
    # Whoever cannot be waited for is refused before anything is made.
    with call.request.app[STREAMS].one(call.caller.name):
        return await _waited(call, body, kind, ask, key)


async def _waited(
    call: Call[Any, Any],
    body: OpenAIOptions,
    kind: str,
    ask: Callable[[], Awaitable[Asked]],
    key: Idempotency | None,
) -> Reply | web.StreamResponse:
    job, replayed = await submitting.taken(call, ask, key)
    if body.stream:
        return await openai_stream.stream(call, body, kind, job, WAIT_S)
    found = await ended(call, job.job_id, WAIT_S)
    error = openai_stream.failure(found, job.job_id)
    if found is None or error is not None:
        return response(problems.problem_of(error or problems.defect()), {"x-request-id": job.job_id})
    images = [await _image(call, found, made, body) for made in openai_answer.pictures(found)]
    headers = {"x-request-id": job.job_id, **({"Idempotent-Replayed": "true"} if replayed else {})}
    return Reply(200, openai_answer.images(found, body, images), headers)


async def _image(call: Call[Any, Any], job: Job, made: Made, body: OpenAIOptions) -> OpenAIImage:
    service = call.service
    if body.response_format != "url":
        return OpenAIImage(b64_json=openai_answer.encoded(await call.block(service.assets.read, made.asset)))
    expires_at = steady_expiry(utc_now(), timedelta(seconds=service.service.link_expiry_s))
    links = Links(service.link_secrets, service.service.public_base_url or str(call.request.url.origin()))
    name = f"{job.ordered.workflow}-{job.job_id[:8]}-{made.index}"
    return OpenAIImage(url=links.url(made.asset, expires_at=expires_at, name=name))
