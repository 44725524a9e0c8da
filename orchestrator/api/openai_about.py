"""What OpenAI's clients ask beside images: which models there are, and whether a text or picture is acceptable."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, time, timezone
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...clock import utc_now
from ...errors import UnknownModel
from ...moderation.verdict import Verdict, combine
from ...providers.model import Model
from ...providers.models import Catalog
from ...storage.assets import kinds
from ...storage.assets.uploads import of_order
from ..generations.body import MOST_PROMPT, Picture
from ..generations.openai_body import model_name
from .call import Call, Reply
from .openai_errors import FAULTS, PREFIX
from .routing import Answer, NoQuery, Routes

routes = Routes("openai", FAULTS)
TASKS = ("text-to-image", "edit")
"""What a model must be able to do to be of use on OpenAI's routes."""
CATEGORIES = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
    "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip
"""OpenAI's own; whatever else our policies know is told after them."""
MOST_INPUTS = 32


class OpenAIModel(BaseModel):
    """A model, as OpenAI lists it."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class OpenAIModels(BaseModel):
    """Every model that makes or edits images here."""

    object: Literal["list"] = "list"
    data: list[OpenAIModel]


class _In(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class TextPart(_In):
    """A text to be judged."""

    type: Literal["text"]
    text: Annotated[str, Field(max_length=MOST_PROMPT)]


class ImageUrl(_In):
    """Where a picture is."""

    url: Picture


class ImagePart(_In):
    """A picture to be judged."""

    type: Literal["image_url"]
    image_url: ImageUrl


Text = Annotated[str, Field(max_length=MOST_PROMPT)]
Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class OpenAIModeration(_In):
    """The body of ``POST /openai/v1/moderations``."""

    input: (
        Text
        | Annotated[list[Text], Field(min_length=1, max_length=MOST_INPUTS)]
        | Annotated[list[Part], Field(min_length=1, max_length=MOST_INPUTS)]
    )
    model: str | None = Field(default=None, description="Taken and not used: the service's policy says who judges.")


class ModerationResult(BaseModel):
    """What was found in one input."""

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[str]]


class OpenAIModerations(BaseModel):
    """What was found."""

    id: str
    model: str = Field(description="The policy that judged, with its version.")
    results: list[ModerationResult]


@routes.get(
    f"{PREFIX}v1/models",
    "List models (OpenAI)",
    scope="read",
    answers=(Answer(status=200, description="The models.", model=OpenAIModels),),
)
async def openai_models(call: Call[None, NoQuery]) -> Reply:
    """Models that make or edit images; each may also be named as its provider names it where that is OpenAI."""
    today = utc_now().date()
    every = (each for each in Catalog.load().list(today=today) if set(TASKS) & set(each.tasks))
    return Reply(200, OpenAIModels(data=[_told(each, each.name) for each in every]))


@routes.get(
    f"{PREFIX}v1/models/{{model}}",
    "Show a model (OpenAI)",
    scope="read",
    answers=(Answer(status=200, description="The model.", model=OpenAIModel),),
)
async def openai_model(call: Call[None, NoQuery]) -> Reply:
    """One model by its name, `provider/model` or one of OpenAI's own."""
    asked = call.path["model"]
    model = Catalog.load().find(model_name(asked) or asked)
    if model is None or not set(TASKS) & set(model.tasks):
        raise UnknownModel(f"The model {asked!r} does not exist here.", hint="GET /openai/v1/models lists them.")
    return Reply(200, _told(model, asked))


@routes.post(
    f"{PREFIX}v1/moderations",
    "Judge texts and pictures (OpenAI)",
    scope="submit",
    body=OpenAIModeration,
    answers=(Answer(status=200, description="What was found.", model=OpenAIModerations),),
    problems=(413, 502),
)
async def openai_moderations(call: Call[OpenAIModeration, NoQuery]) -> Reply:
    """Judged by the service's own policy: `flagged` where it would not let it pass unmarked."""
    given = call.body.input
    every: list[Any] = [given] if isinstance(given, str) else list(given)
    results = [await _part(call, each) for each in every]
    if not isinstance(every[0], str):
        # Parts belong together: they are one input, as at OpenAI.
        results = [combine(results)]
    kind = "image" if any(isinstance(each, ImagePart) for each in every) else "text"
    told = [_result(each, kind) for each in results]
    return Reply(200, OpenAIModerations(id=f"modr-{uuid.uuid4().hex}", model=results[0].policy, results=told))


async def _part(call: Call[Any, Any], part: str | TextPart | ImagePart) -> Verdict:
    service = call.service
    moderator = service.engine.moderator(service.settings.policy)
    if not isinstance(part, ImagePart):
        return await moderator.prompt(part if isinstance(part, str) else part.text)
    data = await _brought(call, part.image_url.url)
    return await moderator.image(data, kinds.media_type(data))


async def _brought(call: Call[Any, Any], url: str) -> bytes:
    """The picture, of which nothing is kept that was not here before."""
    service, asked = call.service, str(uuid.uuid4())
    try:
        brought = await call.intake.pictures.bring({"input": url}, call.caller.key_id or "", asked)
        return await call.block(service.assets.read, brought["input"])
    finally:
        await call.block(lambda: service.forget_assets(service.uploads.drop(of_order(asked))))


def _result(verdict: Verdict, kind: str) -> ModerationResult:
    names = _names(verdict.scores)
    return ModerationResult(
        flagged=verdict.decision != "allowed",
        categories={name: name in verdict.categories for name in names},
        category_scores={name: verdict.scores.get(name, 0.0) for name in names},
        category_applied_input_types={name: [kind] if name in verdict.scores else [] for name in names},
    )


def _names(scores: Iterable[str]) -> list[str]:
    return [*CATEGORIES, *sorted(set(scores) - set(CATEGORIES))]


def _told(model: Model, name: str) -> OpenAIModel:
    at = datetime.combine(model.lifecycle.as_of, time(), timezone.utc)
    return OpenAIModel(id=name, created=int(at.timestamp()), owned_by=model.provider)
