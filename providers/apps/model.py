"""A model whose facts come from its provider's published schema, and the check of what it is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from ...errors import InvalidInput
from ..model import Model, Parameter
from .schema import Schema, wrong

NAME = r"[a-z0-9]+(/[A-Za-z0-9_][A-Za-z0-9._\-]*){2,}"
"""An app's name: a provider and an id that has a slash of its own. It becomes a part of URLs."""


class Input(Parameter):
    """One input as the app publishes it. What it takes is said by its schema alone; the rest is for people."""

    type: Literal["integer", "number", "boolean", "string", "choice", "json"]  # type: ignore[assignment]
    """``json``: a list or an object, or of several types."""
    required: bool = False
    taken: Schema


class AppModel(Model):
    """An app that no catalog lists. Its name is the provider's and the app's own id: ``fal/fal-ai/flux/krea``."""

    name: str = Field(pattern=f"^{NAME}$")
    parameters: dict[str, Input] = Field(default={})  # type: ignore[assignment]
    is_sized: bool = True
    """Whether it can be told a width and a height."""


def check_inputs(model: AppModel, options: Mapping[str, Any]) -> None:
    """Raises InvalidInput naming the input that the app does not have, that does not fit, or that is missing."""
    for name, value in options.items():
        known = model.parameters.get(name)
        if known is None:
            every = ", ".join(model.parameters) or "none beside the prompt and the images"
            raise InvalidInput(f"{name}: {model.name} has no such input.", hint=f"Its inputs: {every}.")
        problem = None if value is None else wrong(value, known.taken, name)
        if problem is not None:
            raise InvalidInput(f"{problem}.", hint=known.help)
    for name, known in model.parameters.items():
        if known.required and options.get(name) is None:
            raise InvalidInput(f"{name}: {model.name} needs it.", hint=known.help)
