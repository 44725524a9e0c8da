"""What a credential says of pixels whose way through a graph is known: shared by save nodes and by who signs later."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..provenance.actions import Done, Origin
from ..provenance.lineage.values import By, Descent, Root
from .source import Source

UNSEEN = 64.0
"""How unlike, of 255, a picture may be before pixels are thought to have begun where nobody can look."""
Sources = Callable[[Iterable[Root]], Iterable[Source]]
"""The files of these beginnings, those that are at hand."""


def begun(root: Root, says: Origin) -> dict[str, Any]:
    """Fields of a draft for pixels that began in the graph, or where nobody can look; ``says`` is the artist's word.

    Those of a provider whose file is not at hand are the provider's all the same: its model is named as their maker.
    """
    if root.kind in ("model", "hosted"):
        return {"origin": "local_ai", "tool": root.class_type, "model": root.name}
    drawn = root.kind in ("drawn", "empty")
    return {"origin": "not_ai" if drawn else says, "tool": root.class_type}


def opened(source: Source, steps: tuple[Done, ...], says: Origin) -> dict[str, Any]:
    """Fields of a draft for pixels that began as a file. Of what was done to it before, the artist may know."""
    told = any(step.by for step in steps)
    return {"opened": source, "origin": "not_ai" if told else said(says), "edited": True}


def said(says: Origin) -> Origin:
    """What the artist's word means for a file as it was loaded."""
    return "ai_edited" if says == "ai_edited" else "not_ai"


def done(way: Descent, sources: Sources, says: Origin) -> tuple[Done, ...]:
    """What was done on the way. Of a node that is not known, the artist's word counts, whether AI was in it."""
    found = []
    for step in way.steps:
        placed = tuple(each.ingredient() for each in sources(step.placed))
        action = "c2pa.edited" if step.action == "c2pa.placed" and not placed else step.action
        guess = not step.known and says != "not_ai" and way.root.kind not in ("model", "hosted")
        guessed: By | None = "composite" if guess else None
        found.append(Done(action, step.class_type, step.by or guessed, step.model, placed))
    return tuple(found)
