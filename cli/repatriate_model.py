"""Whether a hosted model's weights can be run here at all, and what can where they cannot."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from ..clock import utc_now
from ..errors import UsageError
from .settings import catalog

if TYPE_CHECKING:
    from ..providers.model import Model

MOST = 5


def hosted(name: str) -> Model:
    """The model. Raises UnknownModel, and UsageError for what is here already."""
    from ..providers.local_name import is_local

    if is_local(name):
        raise UsageError(f"{name} is sampled here already.", hint="Name the hosted model: mintmark cost report")
    return catalog().known(name)


def why_not(model: Model) -> str:
    """Why this model cannot be run here; empty where it can."""
    if model.family == "closed":
        return f"{model.name} is closed: nobody but its provider has its weights, so it cannot be repatriated."
    if model.weights is None:
        return f"The catalog does not know which weights {model.name} runs, so nothing can be said of it."
    if model.weights.family is None:
        return f"{model.checkpoint} is open, but Mintmark samples no model of its kind."
    return ""


def alternatives(model: Model) -> list[Model]:
    """Models that can be run here and do what this one does, the likest names first; one of each repository."""

    def likeness(other: Model) -> tuple[int, float]:
        tasks = len(set(other.tasks) & set(model.tasks))
        return tasks, difflib.SequenceMatcher(None, other.title, model.title).ratio()

    fit = [
        each
        for each in catalog().list(today=utc_now().date())
        if not why_not(each) and set(each.tasks) & set(model.tasks)
    ]
    found: dict[str | None, Model] = {}
    for each in sorted(fit, key=likeness, reverse=True):
        found.setdefault(each.checkpoint, each)
    return list(found.values())[:MOST]
