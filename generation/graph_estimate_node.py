"""Reading one hosted node of a graph: what it asks a model for, and what only the run will tell."""

from __future__ import annotations

from typing import Any

from ..providers.model import Model
from ..providers.request import Task
from ..providers.widgets import idle
from .estimate import Asked, Span, sizes
from .graph_estimate_links import IMAGES, Graph, Link, Picture, Size, batch, is_link, is_size, literal, runs, size

_TASKS: tuple[tuple[str, Task], ...] = (
    ("Edit", "edit"),
    ("Inpaint", "inpaint"),
    ("Outpaint", "outpaint"),
    ("Upscale", "upscale"),
    ("Control", "control"),
    ("Variation", "variation"),
)
_MARGINS = ("left", "right", "top", "bottom")
_EACH = frozenset({"inpaint", "outpaint", "upscale", "variation"})
"""Tasks for which each image of a batch is a call of its own."""
_MOST_COUNT = 10
_MOST_WORDS = 4000  # bytes of a prompt that only the run will tell


def task_of(class_type: Any) -> Task:
    """What a hosted node of this class asks its model for."""
    return next((task for word, task in _TASKS if word in str(class_type)), "text-to-image")


class NodeReader:
    """Reads one node; ``unknown`` collects what only the run will tell."""

    def __init__(self, graph: Graph, node_id: str, picture: Picture) -> None:
        self._graph, self._node, self._picture = graph, graph[node_id], picture
        self._task = task_of(self._node["class_type"])
        self.unknown: list[str] = []

    def value(self, name: str) -> Any:
        """The input's value, also where a primitive gives it; None where it is not there or only the run will tell."""
        found = self._node.get("inputs", {}).get(name)
        return literal(self._graph, found) if is_link(found) else found

    def is_open(self, name: str) -> bool:
        """Whether the input is linked to something that only the run will tell."""
        return name in self._node.get("inputs", {}) and self.value(name) is None

    def runs(self) -> int:
        """How often the model is asked for what stands on the node: once for each seed of a list that comes in, and
        for each image of a batch where one call takes one image."""
        lists = runs(self._graph, self._node)
        link = next(iter(self._linked_images()), None) if self._task in _EACH else None
        if link is None:
            return lists
        images = batch(self._graph, link)
        if images is None:
            self.unknown.append("each image that comes in is a call of its own; reckoned for one")
        return lists * (images or 1)

    def asked(self, model: Model) -> Asked:
        """What the node asks this model for."""
        pictures = self._pictures(model)
        areas = [each and each[0] * each[1] / 1_000_000 for each in pictures]
        return Asked(
            model=model,
            images=self._count(),
            megapixels=self._megapixels(model, pictures[0] if pictures else None),
            input_megapixels=Span(sum(each or 0.0 for each in areas), sum(each or sizes(model).high for each in areas)),
            input_images=Span.of(len(pictures)),
            text_bytes=self._text(),
            parameters=self._parameters(model),
            open=frozenset(name for name in model.parameters if self._says_open(f"model.{name}")),
        )

    def _linked_images(self) -> list[Link]:
        inputs = self._node["inputs"]
        return [inputs[name] for name in IMAGES if is_link(inputs.get(name))]

    def _says_open(self, name: str) -> bool:
        if not self.is_open(name):
            return False
        link = self._node["inputs"][name]
        linked = is_link(link) and link[0] in self._graph
        self.unknown.append(f"{name.removeprefix('model.')} is {'linked' if linked else 'not given'}")
        return True

    def _count(self) -> Span:
        if self._says_open("count"):
            return Span(1, _MOST_COUNT)
        count = self.value("count")
        return Span.of(max(1, int(count)) if isinstance(count, (int, float)) else 1)

    def _text(self) -> Span:
        text = self.value("prompt")
        # What stands in a linked prompt moves the price by a fraction of a cent at most: it is no open question.
        return Span.of(len(text.encode("utf-8", "replace"))) if isinstance(text, str) else Span(0, _MOST_WORDS)

    def _parameters(self, model: Model) -> dict[str, Any]:
        """The model's own as the service gets them: a widget that was left alone says nothing."""
        found: dict[str, Any] = {}
        for name, spec in model.parameters.items():
            value = self.value(f"model.{name}")
            if value is None or value == idle(spec.model_dump()):
                value = spec.default
            elif spec.type == "boolean":
                value = {"on": True, "off": False}.get(value, value)
            if value is not None:
                found[name] = value
        return found

    def _megapixels(self, model: Model, first: Size | None) -> Span | None:
        if self._says_open("width") or self._says_open("height"):
            return sizes(model)
        width, height = self.value("width"), self.value("height")
        if model.sizes.told_by == "aspect":
            return None
        if not (is_size(width) and is_size(height)):
            if self._task == "text-to-image":
                return None
            if first is None or any(self._says_open(name) for name in (*_MARGINS, "scale")):
                return self._any_size(model)
            width, height = self._reshaped(model, first)
        return Span.of(width * height / 1_000_000)

    def _reshaped(self, model: Model, first: Size) -> Size:
        width, height = first
        if self._task == "upscale":
            factor = float(self.value("scale") or (model.scale.default if model.scale else 2))
            return width * factor, height * factor
        if self._task == "outpaint":
            left, right, top, bottom = (int(self.value(name) or 0) for name in _MARGINS)
            return width + left + right, height + top + bottom
        return first

    def _any_size(self, model: Model) -> Span:
        self.unknown.append("the size depends on the image")
        span, rule = sizes(model), model.scale
        if self._task == "upscale" and rule and rule.max_pixels:
            return Span(min(span.low, rule.max_pixels / 1_000_000), rule.max_pixels / 1_000_000)
        return span

    def _pictures(self, model: Model) -> list[Size | None]:
        """Width and height of each image that goes in, None where only the run will tell."""
        found = [size(self._graph, link, self._picture) for link in self._linked_images()]
        if None in found and getattr(model.price, "input_microusd", None) is not None:
            self.unknown.append("what goes in is billed by its size")
        return found
