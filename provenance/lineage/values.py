"""An image's descent, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Beginning = Literal["file", "hosted", "model", "drawn", "empty", "unknown"]
"""Where pixels began. ``file``: a node loaded them. ``hosted``: a provider was asked. ``model``: a model of the worker
made them from noise. ``drawn``: a node painted them. ``empty``: nothing yet, a latent before any model. ``unknown``: a
node that is not known here made them."""

By = Literal["ai", "composite", "enhanced"]
"""What a step's pixels owe to a model: all of them, those that were not somebody's already, or only their detail."""


@dataclass(frozen=True)
class Root:
    """Where pixels began: the node, its class, and the name of what it loaded (a file) or of its model."""

    kind: Beginning
    node: str
    class_type: str
    name: str = ""


@dataclass(frozen=True)
class Step:
    """One thing that was done to pixels, by a node of this class.

    ``placed``: where what it put in began. ``known``: whether anything is known of the class but its name.
    """

    action: str
    class_type: str
    by: By | None = None
    model: str = ""
    placed: tuple[Root, ...] = ()
    known: bool = True


@dataclass(frozen=True)
class Descent:
    """One way in which an image may have come to be: a batch can hold images of several.

    ``fed``: what a model was shown on the way, without its pixels having been taken over.
    """

    root: Root
    steps: tuple[Step, ...] = ()
    fed: tuple[Root, ...] = ()

    @property
    def files(self) -> tuple[Root, ...]:
        """All that began outside of the graph, each once: the root first, then what was placed, then what was fed."""
        placed = (root for step in self.steps for root in step.placed)
        found = dict.fromkeys((self.root, *placed, *self.fed))
        return tuple(root for root in found if root.kind in ("file", "hosted"))
