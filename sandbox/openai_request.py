"""Requests for OpenAI images, read and checked as the vendor checks them, with its error texts and codes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageTooLarge, NotAnImage
from . import picture
from .exchange import Exchange, Part
from .openai_models import MODELS, STANDARD_SIZES, ImageModel

ErrorType = Literal["invalid_request_error", "image_generation_user_error"]
_LONGEST_PROMPT = 32_000
_MOST_INPUTS = 16
_LARGEST_IMAGE, _LARGEST_MASK = 50 * 1024 * 1024, 4 * 1024 * 1024
_SHARED = frozenset(
    ("prompt", "model", "n", "size", "quality", "background", "output_format", "output_compression", "stream",
     "partial_images", "safety_identifier", "user", "complexity")
)  # fmt: skip
_GENERATE = _SHARED | {"moderation"}
_EDIT = _SHARED | {"input_fidelity"}


class Refused(Exception):
    """The vendor's answer to a request it does not accept. Not a failure of ours."""

    def __init__(
        self, message: str, *, param: str | None = None, code: str | None = None,
        kind: ErrorType = "invalid_request_error", status: int = 400,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.message, self.param, self.code, self.kind, self.status = message, param, code, kind, status


@dataclass(frozen=True)
class Asked:
    """A request that is in order."""

    model: ImageModel
    prompt: str
    n: int
    size: tuple[int, int]
    quality: str
    background: str
    output_format: picture.Format
    compression: int
    moderation: str
    stream: bool
    partial_images: int
    safety_identifier: str | None
    sources: list[picture.Source] = field(default_factory=list)
    where: NDArray[np.bool_] | None = None
    """Where to edit, at the size of the result."""


def read_generation(exchange: Exchange, model: ImageModel | None = None) -> Asked:
    """The JSON of ``POST /images/generations``; ``model`` where its name is not the body's to say."""
    try:
        body = exchange.json()
    except ValueError:
        body = None
    return read_fields(body, model)


def read_fields(body: Any, model: ImageModel | None = None) -> Asked:
    """The body of a generation, also where it came as a line of a batch."""
    if not isinstance(body, dict):
        raise Refused("We could not parse the JSON body of your request. The API expects a JSON payload.")
    return _asked({name: value for name, value in body.items() if value is not None}, _GENERATE, [], None, model)


def read_edit(exchange: Exchange, model: ImageModel | None = None) -> Asked:
    """The form of ``POST /images/edits``: ``image``, or ``image[]`` once for each of several; ``mask``; fields."""
    if not exchange.parts:
        kind = exchange.request.content_type
        raise Refused(f"Unsupported content type: '{kind}'. This API method only accepts 'multipart/form-data'.")
    files = [part for part in exchange.parts if part.filename is not None]
    images = [part for part in files if part.name in ("image", "image[]")]
    fields = {part.name: _form_value(part) for part in exchange.parts if part.filename is None}
    if "markup" in (part.name for part in files):
        raise Refused("The sandbox does not serve 'markup'.", param="markup", code="unsupported_parameter")
    if not images:
        raise _missing("image")
    if len(images) > _MOST_INPUTS:
        raise Refused(
            f"Invalid 'image': array too long. Expected an array with maximum length {_MOST_INPUTS}, "
            f"but got an array with length {len(images)} instead.",
            param="image",
            code="array_above_max_length",
        )
    sources = [_source(part, number) for number, part in enumerate(images, 1)]
    masks = [part for part in files if part.name == "mask"]
    return _asked(fields, _EDIT, sources, _mask(masks[0], sources[0]) if masks else None, model)


def _form_value(part: Part) -> Any:
    """A form field as JSON would have it: numbers and booleans arrive as text."""
    text = part.data.decode("utf-8", errors="replace")
    if part.name in ("n", "output_compression", "partial_images"):
        return int(text) if text.lstrip("-").isdigit() else text
    if part.name == "stream":
        return {"true": True, "false": False}.get(text.lower(), text)
    return text


def _asked(
    fields: dict[str, Any], known: frozenset[str], sources: list[picture.Source], mask: NDArray[np.bool_] | None,
    model: ImageModel | None,
) -> Asked:  # fmt: skip
    for name in fields:
        if name not in known:
            raise Refused(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    prompt = _prompt(fields)
    model = model or _model(fields)
    if "input_fidelity" in fields:
        _choice(fields, "input_fidelity", model.fidelity, "")
    output_format = cast(picture.Format, _choice(fields, "output_format", ("png", "jpeg", "webp"), "png"))
    background = _choice(fields, "background", ("auto", "opaque", "transparent"), "auto")
    if background == "transparent" and output_format == "jpeg":
        raise _invalid("background", "Transparent background is not supported for JPEG output format.")
    quality = _choice(fields, "quality", ("auto", *model.qualities), "auto")
    stream = _flag(fields, "stream")
    partials = _whole(fields, "partial_images", 0, 3, 0)
    if partials and not stream:
        raise _invalid("partial_images", "The 'partial_images' parameter is only supported when 'stream' is true.")
    size = _size(fields, model, sources)
    return Asked(
        model=model,
        prompt=prompt,
        n=_whole(fields, "n", 1, 10, 1),
        size=size,
        quality="medium" if quality == "auto" else quality,
        background="transparent" if background == "transparent" else "opaque",
        output_format=output_format,
        compression=_whole(fields, "output_compression", 0, 100, 100),
        moderation=_choice(fields, "moderation", ("auto", "low"), "auto"),
        stream=stream,
        partial_images=partials,
        safety_identifier=fields.get("safety_identifier") or fields.get("user"),
        sources=sources,
        where=None if mask is None else picture.fitted_mask(mask, *size),
    )


def _prompt(fields: dict[str, Any]) -> str:
    prompt = fields.get("prompt")
    if prompt is None:
        raise _missing("prompt")
    if not isinstance(prompt, str):
        raise _wrong_type("prompt", "a string", prompt)
    if not prompt:
        raise Refused(
            "Invalid 'prompt': empty string. Expected a string with minimum length 1, but got an empty string instead.",
            param="prompt",
            code="empty_string",
        )
    if len(prompt) > _LONGEST_PROMPT:
        raise Refused(
            f"Invalid 'prompt': string too long. Expected a string with maximum length {_LONGEST_PROMPT}, "
            f"but got a string with length {len(prompt)} instead.",
            param="prompt",
            code="string_above_max_length",
        )
    return prompt


def _model(fields: dict[str, Any]) -> ImageModel:
    name = fields.get("model")
    if name is None:
        raise _missing("model")
    if name not in MODELS:
        raise Refused(
            f"The model '{name}' does not exist or you do not have access to it.",
            param="model",
            code="model_not_found",
            status=404,
        )
    return MODELS[name]


def _size(fields: dict[str, Any], model: ImageModel, sources: list[picture.Source]) -> tuple[int, int]:
    """``auto`` is 1024x1024, and for an edit the standard size whose shape is nearest to the first image's."""
    asked = fields.get("size", "auto")
    if not isinstance(asked, str):
        raise _wrong_type("size", "a string", asked)
    if asked == "auto":
        width, height = sources[0].size if sources else (1, 1)
        asked = STANDARD_SIZES[1 if width * 4 > height * 5 else 2 if height * 4 > width * 5 else 0]
    left, _, right = asked.partition("x")
    if not (left.isdigit() and right.isdigit() and int(left) and int(right)):
        supported = ", ".join(f"'{size}'" for size in STANDARD_SIZES)
        raise _invalid("size", f"Invalid value: '{asked}'. Supported values are: {supported}, and 'auto'.")
    problem = model.sizes_problem(int(left), int(right))
    if problem:
        raise _invalid("size", f"Invalid size '{asked}': {problem}.")
    return int(left), int(right)


def _source(part: Part, number: int) -> picture.Source:
    try:
        if len(part.data) > _LARGEST_IMAGE:
            raise ImageTooLarge("more than 50 MB")
        return picture.read(part.data)
    except (NotAnImage, ImageTooLarge) as error:
        raise Refused(
            f"Invalid image file or mode for image {number}, please check your image file.",
            param="image",
            code="invalid_image_file",
            kind="image_generation_user_error",
        ) from error


def _mask(part: Part, source: picture.Source) -> NDArray[np.bool_]:
    """True where alpha is 0, which is where OpenAI edits."""
    try:
        mask = picture.read(part.data)
    except (NotAnImage, ImageTooLarge) as error:
        raise _bad_mask("please check your mask file") from error
    if len(part.data) > _LARGEST_MASK or not part.data.startswith(b"\x89PNG"):
        raise _bad_mask("the mask must be a PNG file of less than 4 MB")
    if not mask.has_alpha:
        raise _bad_mask("mask image missing alpha channel")
    if mask.size != source.size:
        raise _bad_mask("mask size does not match image size")
    clear: NDArray[np.bool_] = mask.pixels[..., 3] == 0
    return clear


def _bad_mask(why: str) -> Refused:
    return Refused(
        f"Invalid mask image format - {why}.",
        param="mask",
        code="invalid_mask_image_format",
        kind="image_generation_user_error",
    )


def _choice(fields: dict[str, Any], name: str, choices: tuple[str, ...], default: str) -> str:
    value = fields.get(name, default)
    if value not in choices:
        listed = ", ".join(f"'{choice}'" for choice in choices) or "none for this model"
        raise _invalid(name, f"Invalid value: '{value}'. Supported values are: {listed}.")
    return str(value)


def _whole(fields: dict[str, Any], name: str, low: int, high: int, default: int) -> int:
    value = fields.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong_type(name, "an integer", value)
    if not low <= value <= high:
        side, sign, bound = ("below minimum", ">=", low) if value < low else ("above maximum", "<=", high)
        raise Refused(
            f"Invalid '{name}': integer {side} value. Expected a value {sign} {bound}, but got {value} instead.",
            param=name,
            code=f"integer_{side.replace(' ', '_').replace('minimum', 'min').replace('maximum', 'max')}_value",
        )
    return value


def _flag(fields: dict[str, Any], name: str) -> bool:
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise _wrong_type(name, "a boolean", value)
    return value


def _missing(name: str) -> Refused:
    return Refused(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")


def _invalid(name: str, message: str) -> Refused:
    return Refused(message, param=name, code="invalid_value", kind="image_generation_user_error")


def _wrong_type(name: str, want: str, got: Any) -> Refused:
    kind = {str: "a string", bool: "a boolean", int: "an integer", float: "a decimal", list: "an array"}
    told = kind.get(type(got), "an object")
    return Refused(
        f"Invalid type for '{name}': expected {want}, but got {told} instead.", param=name, code="invalid_type"
    )
