"""What a credential says of pixels whose way through a graph is known: shared by save nodes and by who signs later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile
from typing import Any

from ..provenance.actions import Done, Origin
from ..provenance.lineage.values import By, Descent, Root
from .source import Source

UNSEEN = 64.0
"""How unlike, of 255, a picture may be before pixels are thought to have begun where nobody can look."""
Sources = Callable[[Iterable[Root]], Iterable[Source]]
"""The files of these beginnings, those that are at hand."""


def likeliest(ways: Sequence[Descent], unlike: Callable[[Root], float]) -> Descent | None:
    """The way that begins with what is most alike; None where there is no way. Of several that begin where nobody can
    look, what they have in common: which of them it was is not known, so it is not told."""
    if len(ways) < 2:
        return ways[0] if ways else None
    apart = {root: unlike(root) for root in dict.fromkeys(way.root for way in ways)}
    least = min(apart.values())
    nearest = [way for way in ways if apart[way.root] == least]
    return nearest[0] if least != UNSEEN else _in_common(nearest)


def _in_common(ways: Sequence[Descent]) -> Descent:
    first, *others = ways
    roots = {(way.root.kind, way.root.class_type, way.root.name) for way in ways}
    made = all(way.root.kind in ("model", "hosted") for way in ways)
    root = first.root if len(roots) == 1 else Root("model" if made else "unknown", "", "")
    last = zip(*(way.steps[::-1] for way in ways), strict=False)
    steps = tuple(each[0] for each in takewhile(lambda each: len(set(each)) == 1, last))[::-1]
    fed = tuple(each for each in first.fed if all(each in way.fed for way in others))
    return Descent(root, steps, fed)


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
