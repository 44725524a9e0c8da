"""An app as its provider publishes it, read as a model of ours: what is an image, a count, a size, what is left. Pure.

Names of inputs are conventions that most apps of a vendor keep; an input that is none of them is a parameter of the
app's own. No price, no licence and no terms are published, so the model has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ..model import Governance, Licence, Lifecycle, Seeds, Sizes
from ..request import MAX_SEED, Task
from .model import AppModel, Input
from .schema import Schema, types_of

_ONE = ("image_url", "input_image_url", "init_image_url", "image", "input_image", "init_image", "image_prompt")
_SEVERAL = ("image_urls", "input_image_urls", "images", "input_images", "image_input", "reference_images")
_MASK = ("mask_url", "mask_image_url", "mask", "mask_image")
_COUNT = ("num_images", "num_outputs", "number_of_images")
_OURS = ("prompt", "negative_prompt", "seed")
_MOST_IMAGES, _MOST_IN_A_CALL = 10, 10
_LONGEST_SIDE = 14_142
_LONGEST_HELP = 300
NOT_STATED = "not stated where we looked"


@dataclass(frozen=True)
class Published:
    """What a provider's own document says of an app."""

    app: str
    """Its id on the wire."""
    title: str
    inputs: Schema
    """The schema of its input, an object, with nothing left to look up."""
    source: str
    """Where the document is."""
    gives_images: bool = True
    """Whether its results are images at all."""
    notes: str = field(default="")


@dataclass(frozen=True)
class _Roles:
    """Which inputs carry what every request has."""

    image: str | None
    images: str | None
    mask: str | None
    count: str | None


def model_of(name: str, published: Published, read_on: date) -> AppModel:
    """The app as a model called ``name``: without a price, which is published nowhere."""
    inputs = _properties(published.inputs)
    required = set(published.inputs.get("required") or ())
    roles = _roles(inputs)
    taken = {*_OURS, *(value for value in vars(roles).values() if value)}
    tasks = _tasks(inputs, roles, required)
    sizes = _sizes(inputs)
    undated: dict[str, Any] = {"as_of": read_on, "source": published.source}
    return AppModel(
        name=name,
        title=published.title,
        endpoint=dict.fromkeys(tasks, published.app),
        family="closed",
        sizes=sizes or Sizes(),
        is_sized=sizes is not None,
        max_count=_most(inputs.get(roles.count or ""), _MOST_IN_A_CALL) if roles.count else 1,
        max_prompt=int(inputs.get("prompt", {}).get("maxLength") or 32_000),
        prompt=_prompt(inputs, required, tasks),
        negative_prompt="negative_prompt" in inputs,
        seeds=_seeds(inputs.get("seed")),
        max_images=_most_images(inputs, roles),
        wire=_wire(inputs, roles),
        parameters={
            each: _input(schema, required=each in required) for each, schema in inputs.items() if each not in taken
        },
        price=None,
        licence=Licence(name=NOT_STATED, commercial_use=None, **undated),
        governance=Governance(trains_on_data=None, retention=None, region=None, indemnified=None, **undated),
        lifecycle=Lifecycle(state="live", **undated),
        note=published.notes,
    )


def _properties(inputs: Mapping[str, Any]) -> dict[str, Schema]:
    found = inputs.get("properties")
    return {name: one for name, one in found.items() if isinstance(one, dict)} if isinstance(found, Mapping) else {}


def _roles(inputs: Mapping[str, Schema]) -> _Roles:
    def first(names: Iterable[str], kind: str) -> str | None:
        return next((name for name in names if name in inputs and kind in types_of(inputs[name])), None)

    several = first(_SEVERAL, "array")
    one = None if several else first(_ONE, "string")
    return _Roles(one, several, first(_MASK, "string") if one or several else None, first(_COUNT, "integer"))


def _tasks(inputs: Mapping[str, Schema], roles: _Roles, required: set[str]) -> tuple[Task, ...]:
    source = roles.image or roles.images
    found: list[Task] = [] if source in required else ["text-to-image"]
    if source is not None and roles.mask not in required:
        found.append("edit")
    if roles.mask is not None:
        found.append("inpaint")
    return tuple(found)


def _prompt(inputs: Mapping[str, Schema], required: set[str], tasks: Iterable[Task]) -> dict[Task, Any]:
    if "prompt" not in inputs:
        return dict.fromkeys(tasks, "none")
    return {} if "prompt" in required else dict.fromkeys(tasks, "optional")


def _seeds(schema: Schema | None) -> Seeds | None:
    if schema is None:
        return None
    low, high = (_number(schema, name) for name in ("minimum", "maximum"))
    return Seeds(min=max(0, int(low or 0)), max=min(MAX_SEED, int(high or 2**31 - 1)))


def _most_images(inputs: Mapping[str, Schema], roles: _Roles) -> int:
    if roles.images is not None:
        return int(_number(inputs[roles.images], "maxItems") or _MOST_IMAGES)
    return 1 if roles.image else 0


def _most(schema: Schema | None, usual: int) -> int:
    return max(1, int(_number(schema or {}, "maximum") or usual))


def _wire(inputs: Mapping[str, Schema], roles: _Roles) -> dict[str, str]:
    """Our names for what the app calls otherwise, as ``fal_input`` and ``replicate_input`` look them up."""
    wire = {ours: theirs for ours, theirs in vars(roles).items() if theirs}
    if "custom" in _choices(inputs.get("aspect_ratio")):
        wire["custom"] = "aspect_ratio"
    return wire


def _sizes(inputs: Mapping[str, Schema]) -> Sizes | None:
    """None where it cannot be told any."""
    if _takes_object(inputs.get("image_size")):
        return Sizes(min=1, max=_LONGEST_SIDE)
    width, height = inputs.get("width"), inputs.get("height")
    if width is not None and height is not None and {"integer"} <= types_of(width) & types_of(height):
        low, high, step = (_number(width, name) for name in ("minimum", "maximum", "multipleOf"))
        return Sizes(min=int(low or 1), max=int(high or _LONGEST_SIDE), multiple_of=int(step or 1))
    ratios = [choice for choice in _choices(inputs.get("aspect_ratio")) if ":" in choice]
    if ratios and all(part.isdigit() and int(part) for ratio in ratios for part in ratio.split(":")):
        return Sizes(told_by="aspect", min=1, max=_LONGEST_SIDE)
    return None


def _takes_object(schema: Schema | None) -> bool:
    return schema is not None and "object" in types_of(schema)


def _choices(schema: Schema | None) -> tuple[str, ...]:
    found = (schema or {}).get("enum")
    return tuple(found) if isinstance(found, list) and all(isinstance(one, str) for one in found) else ()


def _input(schema: Schema, *, required: bool) -> Input:
    kinds, choices = types_of(schema), _choices(schema)
    plain = next(iter(kinds)) if len(kinds) == 1 else ""
    kind: Any = "choice" if choices else plain if plain in ("integer", "number", "boolean", "string") else "json"
    return Input(
        type=kind,
        help=_help(schema),
        min=_number(schema, "minimum"),
        max=_number(schema, "maximum"),
        choices=choices,
        required=required,
        taken=schema,
    )


def _help(schema: Schema) -> str:
    told = " ".join(str(schema.get("description") or schema.get("title") or "It is not described.").split())
    default = schema.get("default")
    usual = "" if default is None or default == "" else f" Default: {default}."
    return told[:_LONGEST_HELP] + usual[:_LONGEST_HELP]


def _number(schema: Mapping[str, Any], name: str) -> float | None:
    found = schema.get(name)
    return found if isinstance(found, (int, float)) and not isinstance(found, bool) else None
