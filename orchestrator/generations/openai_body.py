"""What OpenAI's clients say of an image, and the wish that it means here. Pure.

Facts: OpenAI's image guide and the types of its official client, 2026-11. What a model here cannot do is refused by the
field's name, as OpenAI does; what means nothing here and costs nothing is let pass.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...providers.model import Model
from ...providers.models import Catalog
from ...workflows.format import WorkflowVersion
from .body import MOST_IMAGES, MOST_PROMPT, ImageToImage, ImageWish, Size
from .impossible import Impossible

EDIT_MODEL = "fal/flux-2-pro"
"""Who edits where no model is named: one that follows instructions, as OpenAI's do."""
_LEGACY = {"standard": None, "hd": "high", "auto": None}
_FORMATS = {"jpeg": "JPEG", "webp": "WebP"}
_SIZE = r"^(auto|[1-9][0-9]{0,4}x[1-9][0-9]{0,4})$"


class OpenAIOptions(BaseModel):
    """What both of OpenAI's routes for images take. ``null`` is as if the field were left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    prompt: Annotated[str, Field(min_length=1, max_length=MOST_PROMPT)]
    model: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        default=None, description="`provider/model`, one of OpenAI's own names, or a workflow. Left out: the default."
    )
    n: Annotated[int, Field(ge=1, le=MOST_IMAGES)] | None = None
    size: Annotated[str, Field(pattern=_SIZE)] | None = Field(default=None, description="`WIDTHxHEIGHT` or `auto`.")
    quality: Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"] | None = None
    background: Literal["auto", "opaque", "transparent"] | None = None
    moderation: Literal["auto", "low"] | None = Field(
        default=None, description="How strictly the provider looks; the service's own policy holds in any case."
    )
    output_format: Literal["png", "jpeg", "webp"] | None = None
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = None
    response_format: Literal["b64_json", "url"] | None = None
    stream: bool | None = None
    partial_images: Annotated[int, Field(ge=0, le=3)] | None = None
    user: Annotated[str, Field(max_length=128)] | None = None
    safety_identifier: Annotated[str, Field(max_length=128)] | None = None

    @property
    def end_user(self) -> str | None:
        """Whom the caller serves with it."""
        return self.safety_identifier or self.user or None

    @property
    def format(self) -> str:
        """The files' format as OpenAI calls it."""
        return self.output_format or "png"


class OpenAIGeneration(OpenAIOptions):
    """The body of ``POST /openai/v1/images/generations``."""


class OpenAIEdit(OpenAIOptions):
    """The plain fields of the form of ``POST /openai/v1/images/edits``."""


def model_name(name: str | None) -> str | None:
    """Our name of a model that may be named as OpenAI names it; a workflow's name stays what it is."""
    catalog = Catalog.load()
    return f"openai/{name}" if name and "/" not in name and catalog.find(f"openai/{name}") else name


def generation(body: OpenAIOptions) -> ImageWish:
    """The wish for a new image."""
    return ImageWish(prompt=body.prompt, model=model_name(body.model), n=body.n or 1, size=_size(body.size))


def edit(body: OpenAIOptions, picture: str, *, masked: bool = False) -> ImageWish:
    """The wish to change a picture, which is named by its upload's id. ``masked``: where it is transparent."""
    return ImageWish(
        prompt=body.prompt,
        model=model_name(body.model) or (None if masked else EDIT_MODEL),
        n=body.n or 1,
        # What is masked is repainted in place, so the picture's own size stays.
        size=None if masked else _size(body.size),
        image_to_image=ImageToImage(init_image_url=picture),
    )


def own(body: OpenAIOptions, version: WorkflowVersion, model: Model | None) -> tuple[dict[str, Any], list[Impossible]]:
    """The values that OpenAI's other fields mean, by input; and what of them is impossible."""
    found, wrong = _file(body, version, model)
    quality = _LEGACY.get(body.quality, body.quality) if body.quality else None
    _take(found, wrong, model, "quality", quality, lenient=body.quality in _LEGACY)
    # Every model makes opaque pictures; only some are told to.
    _take(found, wrong, model, "background", body.background, lenient=body.background != "transparent")
    _take(found, wrong, model, "moderation", body.moderation, lenient=True)
    if body.background == "transparent" and body.format == "jpeg":
        wrong.append(Impossible("background", "a JPEG is never transparent", ["auto", "opaque"]))
    if body.stream and (body.n or 1) > 1:
        wrong.append(Impossible("n", "one image at a time can be streamed", {"min": 1, "max": 1}))
    if body.partial_images and not body.stream:
        wrong.append(Impossible("partial_images", "they are only shown in a stream", [0]))
    if body.partial_images and model is not None and "previews" in model.parameters:
        found["model.previews"] = body.partial_images
    return found, wrong


def _file(
    body: OpenAIOptions, version: WorkflowVersion, model: Model | None
) -> tuple[dict[str, Any], list[Impossible]]:
    """What the files are to be: told to the workflow, and to the model where it then need not be encoded again."""
    found: dict[str, Any] = {}
    if body.output_compression is not None and body.format == "png":
        return found, [Impossible("output_compression", "a PNG has none", None)]
    if body.format == "png":
        return found, []
    if "format" not in {spec.name for spec in version.inputs}:
        return found, [Impossible("output_format", f"{version.label} makes no {body.format}", ["png"])]
    found["format"] = _FORMATS[body.format]
    if body.output_compression is not None:
        found["file_quality"] = max(1, body.output_compression)
    elif model is not None and (own := model.parameters.get("output_format")) is not None:
        same = [each for each in own.choices if each in (body.format, {"jpeg": "jpg"}.get(body.format))]
        found.update([("model.output_format", each) for each in same[:1]])
    return found, []


def _take(
    found: dict[str, Any], wrong: list[Impossible], model: Model | None, name: str, value: str | None, *, lenient: bool
) -> None:
    """``lenient``: where the model does not know it, nothing is lost."""
    if value is None or value == "auto":
        return
    parameter = model.parameters.get(name) if model else None
    if parameter is not None and value in parameter.choices:
        found[f"model.{name}"] = value
    elif not lenient:
        allowed = ["auto", *(each for each in (parameter.choices if parameter else ()) if each != "auto")]
        wrong.append(Impossible(name, f"{model.name if model else 'the workflow'} does not know {value!r}", allowed))


def _size(text: str | None) -> Size | None:
    if text is None or text == "auto":
        return None
    width, height = text.split("x")
    return Size(width=min(int(width), 16384), height=min(int(height), 16384))
