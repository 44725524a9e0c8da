"""Reading one hosted node of a graph: what it asks a model for, and what only the run will tell."""

from __future__ import annotations

from typing import Any

from ..metering.prices import PerToken
from ..providers.model import Model, Scale
from ..providers.request import Task
from ..providers.widgets import idle
from .estimate import Asked, Span, sizes
from .graph_estimate_batch import MOST_COUNT, ONE, Counts, Many, counted, fan_out
from .graph_estimate_links import IMAGES, Graph, Link, Picture, Size, is_link, is_size, literal, size

_TASKS: tuple[tuple[str, Task], ...] = (
    ("Edit", "edit"),
    ("Inpaint", "inpaint"),
    ("Outpaint", "outpaint"),
    ("Upscale", "upscale"),
    ("Control", "control"),
    ("Variation", "variation"),
)
_MARGINS = ("left", "right", "top", "bottom")
_NUMBERS = frozenset({"count", "width", "height", "scale", "steps", "model.steps", *_MARGINS})
"""Inputs that hold a number; where they come as text, hosts convert it."""
_MOST_WORDS = 4000  # bytes of a prompt that only the run will tell


def task_of(class_type: Any) -> Task:
    """What a hosted node of this class asks its model for."""
    return next((task for word, task in _TASKS if word in str(class_type)), "text-to-image")


class NodeReader:
    """Reads one node; ``unknown`` collects what only the run will tell."""

    def __init__(self, graph: Graph, node_id: str, picture: Picture) -> None:
        self._graph, self._node, self._picture = graph, graph[node_id], picture
        self._task = task_of(self._node["class_type"])
        self._counts = Counts(graph, node_id, picture)
        self._runs = self._counts.runs(node_id)
        self.unknown: list[str] = []

    def value(self, name: str) -> Any:
        """The input's value, also where a primitive gives it; None where it is not there or only the run will tell."""
        found = self._node.get("inputs", {}).get(name)
        told = literal(self._graph, found) if is_link(found) else found
        return _number(told) if name in _NUMBERS and isinstance(told, str) else told

    def is_open(self, name: str) -> bool:
        """Whether the input is linked to something that only the run will tell."""
        return name in self._node.get("inputs", {}) and self.value(name) is None

    def runs(self) -> Many:
        """How often the model is asked for what stands on the node: once for each seed of a list that comes in, and
        for each image of a batch where one call takes one image."""
        if self._runs.most is None:
            self.unknown.append("how many seeds come in is not known; reckoned for one")
        if fan_out(self._node) != "each":
            return self._runs
        images = self._counts.fed(self._node)
        if not images.known:
            for_one = "; reckoned for one" if images.most is None else ""
            self.unknown.append(f"each image that comes in is a call of its own{for_one}")
        return self._runs.times(images)

    def asked(self, model: Model) -> Asked:
        """What the node asks this model for."""
        pictures, made = self._pictures(model), self.made()
        return Asked(
            model=model,
            images=Span(made.least, made.most or made.least),
            megapixels=self._megapixels(model, pictures[0][0] if pictures else None),
            input_megapixels=_area(pictures, sizes(model).high),
            input_images=Span(sum(many.least for _, many in pictures), sum(many.most or 1 for _, many in pictures)),
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

    def made(self) -> Many:
        """How many images each run makes; of some nodes so many of each that comes in."""
        count = Many(1, MOST_COUNT) if self._says_open("count") else counted(self._graph, self._node)
        if fan_out(self._node) != "within":
            return count
        images = self._counts.fed(self._node)
        if not images.known:
            for_one = "; reckoned for one" if images.most is None else ""
            self.unknown.append(f"as many are made of each image that comes in{for_one}")
        return count.times(images)

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
            rule = model.scale or Scale()
            factor = float((not rule.is_fixed and self.value("scale")) or rule.own)
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

    def _pictures(self, model: Model) -> list[tuple[Size | None, Many]]:
        """Width and height of the images that go into a call by each input, None where only the run will tell; and how
        many of them there are: never more than the model takes."""
        found = [(size(self._graph, link, self._picture), self._shown(link, model)) for link in self._linked_images()]
        by_size = getattr(model.price, "input_microusd", None) is not None
        if by_size and any(area is None for area, _ in found):
            self.unknown.append("what goes in is billed by its size")
        if (by_size or isinstance(model.price, PerToken)) and not all(many.known for _, many in found):
            self.unknown.append("what goes in is billed, and how many images that are is not known")
        return found

    def _shown(self, link: Link, model: Model) -> Many:
        """How many images of this input one call is given."""
        if fan_out(self._node) != "once":
            return ONE
        return self._counts.images(link).up_to(max(1, model.max_images))


def _area(pictures: list[tuple[Size | None, Many]], most: float) -> Span:
    """Megapixels of all that goes in; where a size is not known, from nothing to the most that the model makes."""
    low = sum(many.least * _megapixels(size, 0.0) for size, many in pictures)
    return Span(low, sum((many.most or 1) * _megapixels(size, most) for size, many in pictures))


def _megapixels(size: Size | None, unknown: float) -> float:
    return unknown if size is None else size[0] * size[1] / 1_000_000


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
