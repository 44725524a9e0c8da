"""A wish held against what the catalog says of the model that is to fulfil it. Pure.

The provider's adapter checks again, with the pictures at hand; here it is told before anything is accepted or priced.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...errors import InvalidInput
from ...providers.limits import nearest_ratio, nearest_size, size_problem
from ...providers.model import Model, Parameter, Sizes
from ...providers.request import ControlKind, Task
from .body import ImageWish
from .impossible import Impossible

KINDS: dict[str, ControlKind] = {"pose_url": "pose", "edge_url": "edges", "depth_url": "depth"}
FIELDS: dict[Task, str] = {"edit": "image_to_image", "control": "control", "inpaint": "mask"}
"""What in the body asks for a task other than the plain one."""


def fit(model: Model, task: Task, wish: ImageWish, offered: list[str]) -> list[Impossible]:
    """All that the model cannot do of the wish. ``offered``: the models that can do the task."""
    if task not in model.endpoint:
        message = f"{model.name} cannot do {task}"
        return [Impossible("model" if task == "text-to-image" else FIELDS[task], message, {"models": offered})]
    return [
        *_prompt(model, wish),
        *_size(model, task, wish),
        *_own(model, task, "steps", wish.steps),
        *_own(model, task, "guidance", wish.guidance),
        *_strength(model, task, wish),
        *_map(model, wish),
    ]


def ignored(model: Model, wish: ImageWish) -> tuple[str, ...]:
    """What the model merely does not use: the image is made without it, and that is told."""
    found = {
        "negative_prompt": bool(wish.negative_prompt) and not model.negative_prompt,
        "seed": wish.seed is not None and model.seeds is None,
    }
    return tuple(name for name, is_so in found.items() if is_so)


def _prompt(model: Model, wish: ImageWish) -> Iterator[Impossible]:
    if len(wish.prompt) > model.max_prompt:
        most = model.max_prompt
        yield Impossible("prompt", f"{model.name} takes {most} characters", {"max_length": most})


def _size(model: Model, task: Task, wish: ImageWish) -> Iterator[Impossible]:
    if wish.size is None:
        return
    width, height = wish.size.width, wish.size.height
    if (problem := size_problem(model.sizes, width, height)) is not None:
        yield Impossible("size", f"{model.name} does not make {width}x{height}: {problem}", allowed_sizes(model.sizes))
    elif model.sizes.told_by == "aspect":
        yield from _shape(model, task, width, height)


def _shape(model: Model, task: Task, width: int, height: int) -> Iterator[Impossible]:
    """A model that is told its own size or a ratio makes what comes close to one of them."""
    own, ratios = _choices(model, task, "resolution"), _choices(model, task, "aspect_ratio")
    if own and nearest_size(own, width, height) is not None:
        return
    try:
        if ratios:
            nearest_ratio(ratios, width, height)
        elif own:
            yield Impossible("size", f"No size of {model.name} fits {width}x{height}", {"sizes": list(own)})
    except InvalidInput as exc:
        yield Impossible("size", exc.message.rstrip("."), {"aspect_ratios": list(ratios)})


def _choices(model: Model, task: Task, name: str) -> tuple[str, ...]:
    parameter = model.parameters.get(name)
    applies = parameter is not None and (parameter.tasks is None or task in parameter.tasks)
    return parameter.choices if parameter is not None and applies else ()


def allowed_sizes(sizes: Sizes) -> dict[str, Any]:
    """Which sizes there are, as JSON."""
    if sizes.choices:
        return {"sizes": [f"{width}x{height}" for width, height in sizes.choices]}
    found = {"min": sizes.min, "max": sizes.max, "multiple_of": sizes.multiple_of}
    more = {"max_pixels": sizes.max_pixels, "max_aspect": sizes.max_aspect}
    return {**found, **{name: value for name, value in more.items() if value is not None}}


def _own(model: Model, task: Task, name: str, value: float | None) -> Iterator[Impossible]:
    """Steps and guidance are a model's own parameters, and each has others."""
    if value is None:
        return
    parameter = model.parameters.get(name)
    if parameter is None or (parameter.tasks is not None and task not in parameter.tasks):
        yield Impossible(name, f"{model.name} has no such parameter")
    elif (parameter.min is not None and value < parameter.min) or (parameter.max is not None and value > parameter.max):
        yield Impossible(name, f"{model.name} does not take {value:g}", _bounds(parameter))


def _bounds(parameter: Parameter) -> dict[str, Any]:
    cast = int if parameter.type == "integer" else float
    both = {"min": parameter.min, "max": parameter.max}
    return {name: cast(value) for name, value in both.items() if value is not None}


def _strength(model: Model, task: Task, wish: ImageWish) -> Iterator[Impossible]:
    if task == "edit" and wish.image_to_image is not None:
        field, value = "image_to_image.strength", wish.image_to_image.strength
    elif task == "control" and wish.control is not None:
        field, value = "control.weight", wish.control.weight
    else:
        return
    if value is not None and not takes_strength(model, task):
        yield Impossible(field, f"{model.name} decides that itself")


def takes_strength(model: Model, task: Task) -> bool:
    """Whether the model can be told how far the result may move, or how closely it keeps to a map."""
    told = model.strength
    return told is not None and task != "text-to-image" and (told.tasks is None or task in told.tasks)


def _map(model: Model, wish: ImageWish) -> Iterator[Impossible]:
    for name in wish.maps:
        if KINDS[name] not in model.controls:
            taken = [field for field, kind in KINDS.items() if kind in model.controls]
            yield Impossible(f"control.{name}", f"{model.name} follows no such map", taken)
