"""Images by what they shall show, without a word of graphs."""

from __future__ import annotations

import uuid

from pydantic import ConfigDict
from pydantic.config import JsonDict

from ..generations.body import ImageWish
from ..generations.images import order
from . import submitting
from .call import Call, Reply
from .intake import Asked
from .order_shapes import Options
from .routing import PREFER, NoQuery, Routes

routes = Routes("images")


_EXAMPLE: JsonDict = {"prompt": "A lighthouse at dawn, mint-green sea", "size": {"width": 1024, "height": 768}, "n": 1}


_NEVER_TWICE = ("cache: without a seed each order draws its own, so no earlier result is ever the same; give a seed.",)


class ImagesBody(ImageWish, Options):
    """The image that is wanted, and how it is to be run."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})


@routes.post(
    "/v1/images/generations",
    "Generate images",
    scope="submit",
    body=ImagesBody,
    answers=submitting.ANSWERS,
    problems=submitting.PROBLEMS,
    headers=(PREFER,),
    creates=True,
    orders=True,
)
async def generate_images(call: Call[ImagesBody, NoQuery]) -> Reply:
    """What a model cannot do is refused with the field and what it allows; nothing is charged for that."""

    async def ask() -> Asked:
        service, body, job_id = call.service, call.body, str(uuid.uuid4())
        made = await order(
            body,
            service.releases,
            call.intake.references,
            owner=call.caller.key_id or "",
            job_id=job_id,
            sticky=body.user or call.caller.key_id,
            default_model=service.service.model,
        )
        return Asked(
            job_id=job_id,
            version=made.workflow,
            values=made.values,
            images=made.images,
            options=body,
            surface="images",
            asked={**(made.asked or {}), "ignored": list(made.ignored)},
            warnings=_NEVER_TWICE if body.cache and body.seed is None and "seed" in made.values else (),
        )

    return await submitting.submit(call, ask)
