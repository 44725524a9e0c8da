"""Where a workflow takes what a wish says: by the names that its public inputs have. Pure.

A workflow of the library and one of a customer's own are treated alike, so either can stand behind the same body.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...providers.request import Task
from ...workflows.format import Input, WorkflowVersion
from ...workflows.own import owner
from .body import ImageWish
from .fitting import KINDS
from .impossible import Impossible

INPUTS: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt", "text"),
    "negative_prompt": ("negative_prompt", "negative"),
    "size.width": ("width",),
    "size.height": ("height",),
    "steps": ("steps", "model.steps"),
    "guidance": ("guidance", "cfg", "model.guidance"),
    "seed": ("seed",),
    "n": ("count", "n", "batch_size"),
    "image_to_image.init_image_url": ("image", "init_image", "source"),
    "image_to_image.strength": ("strength", "denoise"),
    "control.pose_url": ("pose", "map"),
    "control.edge_url": ("edges", "map"),
    "control.depth_url": ("depth", "map"),
    "control.weight": ("weight", "strength"),
}
"""For each field of the body the inputs that mean it, the best first."""
UNUSED = ("negative_prompt", "seed")
"""What a workflow without such an input merely does not use. Anything else it lacks makes the wish impossible."""
_LEAST = 0.01
"""Strength and weight of 0 leave the choice to the model, on the nodes; who asks for none at all gets the least."""
_TASKS: Mapping[str, Task] = {
    "MintmarkTextToImage": "text-to-image",
    "MintmarkEditImage": "edit",
    "MintmarkControl": "control",
    "MintmarkInpaint": "inpaint",
}


@dataclass
class Placed:
    """``values`` and ``pictures`` (URLs) by input; ``fields`` says which field of the body an input is from."""

    values: dict[str, Any] = field(default_factory=dict)
    pictures: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    impossible: list[Impossible] = field(default_factory=list)


def place(version: WorkflowVersion, wish: ImageWish, seed: int) -> Placed:
    """The wish as the workflow takes it; ``seed`` is used where the wish has none."""
    placed = Placed()
    for name, value in _said(wish).items():
        _put(version, placed, name, value)
    for name, url in wish.maps.items():
        if "kind" in _specs(version):
            placed.values["kind"] = KINDS[name]
        _put(version, placed, f"control.{name}", url, picture=True)
    if wish.init_image is not None:
        _put(version, placed, "image_to_image.init_image_url", wish.init_image, picture=True)
    if wish.seed is None and "seed" in _specs(version):
        placed.values["seed"] = seed
    return placed


def model_of(version: WorkflowVersion) -> tuple[Input, Task] | None:
    """The input that chooses a hosted model, and for which task; None where the workflow has none."""
    spec = _specs(version).get("model")
    if spec is None or spec.choices_from is None:
        return None
    task = _TASKS.get(str(version.graph[spec.choices_from.node]["class_type"]))
    return None if task is None else (spec, task)


def _said(wish: ImageWish) -> dict[str, Any]:
    """Every plain field that says something."""
    strength = wish.image_to_image.strength if wish.init_image is not None and wish.image_to_image else None
    weight = wish.control.weight if wish.maps and wish.control else None
    said = {
        "prompt": wish.prompt,
        "negative_prompt": wish.negative_prompt or None,
        "size.width": wish.size.width if wish.size else None,
        "size.height": wish.size.height if wish.size else None,
        "steps": wish.steps,
        "guidance": wish.guidance,
        "seed": wish.seed,
        "n": wish.n if wish.n > 1 else None,
        "image_to_image.strength": None if strength is None else max(_LEAST, strength),
        "control.weight": None if weight is None else max(_LEAST, weight),
    }
    return {name: value for name, value in said.items() if value is not None}


def _put(version: WorkflowVersion, placed: Placed, name: str, value: Any, *, picture: bool = False) -> None:
    specs = _specs(version)
    for wanted in INPUTS[name]:
        spec = specs.get(wanted)
        if (spec is not None and (spec.type == "image") == picture) or (spec is None and owner(version, wanted)):
            (placed.pictures if picture else placed.values)[wanted] = value
            placed.fields[wanted] = name
            return
    if name in UNUSED:
        placed.ignored.append(name)
    else:
        placed.impossible.append(Impossible(name, f"{version.label} takes no such thing"))


def _specs(version: WorkflowVersion) -> dict[str, Input]:
    return {spec.name: spec for spec in version.inputs}
