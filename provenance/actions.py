"""The actions and ingredients of a manifest, from the facts of one image. Pure.

Names of actions are those of C2PA 2.2, section 18.15. ``description`` names the node that did it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal

from .. import __version__
from ..errors import InternalError
from .lineage.values import By

if TYPE_CHECKING:
    from .manifest import ImageFacts

Origin = Literal["provider", "local_ai", "ai_edited", "not_ai"]
"""Who made the pixels: a hosted model, a model on our machine, a model from somebody's image, or no model."""

_IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SOURCE_TYPES: Mapping[Origin, str] = {
    "provider": _IPTC + "trainedAlgorithmicMedia",
    "local_ai": _IPTC + "trainedAlgorithmicMedia",
    "ai_edited": _IPTC + "compositeWithTrainedAlgorithmicMedia",
    "not_ai": _IPTC + "digitalCreation",
}
STEP_TYPES: Mapping[By, str] = {
    "ai": _IPTC + "trainedAlgorithmicMedia",
    "composite": _IPTC + "compositeWithTrainedAlgorithmicMedia",
    "enhanced": _IPTC + "algorithmicallyEnhanced",
}
_PARENT = "parent"


@dataclass(frozen=True)
class Ingredient:
    """A file the image came from, as it was: its own credential, if any, is kept and checked."""

    title: str
    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Done:
    """One thing that was done to the pixels after they were opened or created, by a node of the class ``tool``.

    ``by``: what its pixels owe to a model, ``model`` that model's file. ``placed``: files that it put in.
    """

    action: str
    tool: str
    by: By | None = None
    model: str = ""
    placed: tuple[Ingredient, ...] = ()


def ourselves() -> dict[str, str]:
    """This program, as the generator of a claim and the agent of an action."""
    return {"name": "Mintmark", "version": __version__}


def actions(facts: ImageFacts) -> list[dict[str, Any]]:
    """What was done, in order. Raises InternalError for a time without its zone."""
    when = _timestamp(facts.when)
    first = [_created(facts, when)] if facts.parent is None else _opened(facts, when)
    labels = iter(_placed_labels(facts))
    steps = [_step(each, when, [next(labels) for _ in each.placed]) for each in facts.steps]
    if facts.edited and not steps:
        steps = [{"action": "c2pa.edited", "when": when, "softwareAgent": ourselves()}]
    return [*first, *steps]


def ingredients(facts: ImageFacts) -> tuple[tuple[dict[str, str], Ingredient], ...]:
    """Each file with its definition: the parent, what was placed, what a model was shown."""
    placed = [item for step in facts.steps for item in step.placed]
    linked = [] if facts.parent is None else [(_PARENT, "parentOf", facts.parent)]
    linked += [(label, "componentOf", item) for label, item in zip(_placed_labels(facts), placed, strict=True)]
    linked += [(label, "inputTo", item) for label, item in zip(_input_labels(facts), facts.inputs, strict=True)]
    return tuple(
        ({"title": text(item.title), "format": item.media_type, "relationship": relationship, "label": label}, item)
        for label, relationship, item in linked
    )


def text(value: str) -> str:
    """The text as UTF-8 holds it: half of a surrogate pair, which JSON lets through, would stop the signing."""
    return value.encode("utf-8", "replace").decode()


def _created(facts: ImageFacts, when: str) -> dict[str, Any]:
    action = {"action": "c2pa.created", "when": when, **_made_by(facts, SOURCE_TYPES[facts.origin])}
    labels = _input_labels(facts)
    return {**action, "parameters": {"ingredientIds": labels}} if labels else action


def _opened(facts: ImageFacts, when: str) -> list[dict[str, Any]]:
    opened: dict[str, Any] = {"action": "c2pa.opened", "when": when, "parameters": {"ingredientIds": [_PARENT]}}
    if facts.origin == "provider":
        return [{**opened, **_made_by(facts, SOURCE_TYPES["provider"])}]
    if facts.origin == "not_ai":
        return [opened]
    # A local model that worked on somebody's image made a composite, whatever the caller calls it.
    edited = {"action": "c2pa.edited", "when": when, **_made_by(facts, SOURCE_TYPES["ai_edited"])}
    return [opened, edited]


def _step(done: Done, when: str, placed: list[str]) -> dict[str, Any]:
    action: dict[str, Any] = {"action": done.action, "when": when}
    if done.by is not None:
        action["digitalSourceType"] = STEP_TYPES[done.by]
    action["softwareAgent"] = {"name": text(done.model or done.tool)}
    action["description"] = text(done.tool)
    return {**action, "parameters": {"ingredientIds": placed}} if placed else action


def _made_by(facts: ImageFacts, source_type: str) -> dict[str, Any]:
    agent = _agent(facts)
    told = {"digitalSourceType": source_type, **({"softwareAgent": agent} if agent else {})}
    return {**told, "description": text(facts.tool)} if facts.tool else told


def _agent(facts: ImageFacts) -> dict[str, str]:
    if not facts.model:
        return {"name": text(facts.tool)} if facts.tool else {}
    prefix = f"{facts.provider}/" if facts.provider else ""
    name = facts.model if facts.model.startswith(prefix) else prefix + facts.model
    return {"name": text(name), **({"version": facts.model_version} if facts.model_version else {})}


def _placed_labels(facts: ImageFacts) -> Iterator[str]:
    count = sum(len(step.placed) for step in facts.steps)
    return (f"placed-{number}" for number in range(1, count + 1))


def _input_labels(facts: ImageFacts) -> list[str]:
    return [f"input-{number}" for number in range(1, len(facts.inputs) + 1)]


def _timestamp(when: datetime) -> str:
    if when.tzinfo is None:
        raise InternalError("A credential needs a time with its zone.")
    return when.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
