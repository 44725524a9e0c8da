"""What the hosted nodes of a graph ask for, read off the graph itself (ComfyUI's API form) before it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import inputs
from .models import _idle as idle

if TYPE_CHECKING:
    from ..generation.estimate import Asked, Estimate, Span
    from ..providers.model import Model

Graph = Mapping[str, Any]
Size = tuple[float, float]
TASKS = (
    ("Edit", "edit"),
    ("Inpaint", "inpaint"),
    ("Outpaint", "outpaint"),
    ("Upscale", "upscale"),
    ("Control", "control"),
    ("Variation", "variation"),
)
IMAGES = ("image", "images", "map", "image_2", "image_3", "image_4")
LOADERS = frozenset({"LoadImage", "MintmarkLoadImageWithCredentials"})
SAME_SIZE = frozenset({"MintmarkModerateImage", "MintmarkModerationGate", "MintmarkVisibleLabel", "ImageInvert"})
MARGINS = ("left", "right", "top", "bottom")
EACH = frozenset({"inpaint", "outpaint", "upscale", "variation"})
"""Tasks for which each image of a batch is a call of its own."""
MOST_COUNT = 10
MOST_WORDS = 4000  # bytes of a prompt that only the run will tell
DEEP = 64


@dataclass(frozen=True)
class Line:
    """One hosted node: what it asks for, what that costs, and what only the run will tell."""

    node_id: str
    title: str
    model: str
    images: str
    estimate: Estimate
    unknown: tuple[str, ...] = ()

    @property
    def firm_microusd(self) -> int:
        """What the node will surely set aside: its upper end, or the lower one where something is not known."""
        most = self.estimate.high
        return self.estimate.low if self.unknown or most is None else most


def lines(graph: Graph, *, after: str | None = None) -> list[Line]:
    """The hosted nodes of the graph, in its order; with ``after`` those alone that need that node."""
    hosted = (node_id for node_id, node in graph.items() if _is_hosted(node))
    return [_line(graph, node_id) for node_id in hosted if after is None or after in _needed(graph, node_id)]


def one(model: str, count: int, width: int, height: int) -> Line:
    """What this model costs for so many images of this size."""
    values = {"model": model, "count": count, "width": width, "height": height, "prompt": ""}
    return _line({"0": {"class_type": "MintmarkTextToImage", "inputs": values}}, "0")


def _is_hosted(node: Any) -> bool:
    name = node.get("class_type", "") if isinstance(node, dict) else ""
    return str(name).startswith("Mintmark") and name != "MintmarkCostEstimate" and "model" in node.get("inputs", {})


def _line(graph: Graph, node_id: str) -> Line:
    from ..generation.estimate import Estimate, estimate, total
    from ..providers.models import Catalog

    reader = _Reader(graph, node_id)
    title = str((graph[node_id].get("_meta") or {}).get("title") or graph[node_id]["class_type"])
    name = reader.value("model")
    model = Catalog.load().find(name) if isinstance(name, str) else None
    if model is None:
        known = f"{name} is in no catalog" if isinstance(name, str) else "the model is linked"
        return Line(node_id, title, str(name or "?"), "?", Estimate(0, None), (known,))
    asked = reader.asked(model)
    runs = reader.runs()
    found = estimate(asked)
    if model.price is None:
        reader.unknown.append("the catalog knows no price")
    low, high = (int(end) * runs for end in (asked.images.low, asked.images.high))
    images = str(low) if low == high else f"{low} to {high}"
    return Line(node_id, title, model.name, images, total([found] * runs), tuple(dict.fromkeys(reader.unknown)))


class _Reader:
    """Reads one node; ``unknown`` collects what only the run will tell."""

    def __init__(self, graph: Graph, node_id: str) -> None:
        self._graph, self._node = graph, graph[node_id]
        self._task = next((task for word, task in TASKS if word in str(self._node["class_type"])), "text-to-image")
        self.unknown: list[str] = []

    def value(self, name: str) -> Any:
        """The input's value, also where a primitive gives it; None where it is not there or only the run will tell."""
        found = self._node.get("inputs", {}).get(name)
        return _literal(self._graph, found) if _is_link(found) else found

    def is_open(self, name: str) -> bool:
        """Whether the input is linked to something that only the run will tell."""
        return name in self._node.get("inputs", {}) and self.value(name) is None

    def runs(self) -> int:
        """How often the model is asked for what stands on the node: once for each seed of a list that comes in, and
        for each image of a batch where one call takes one image."""
        lists = _runs(self._graph, self._node, DEEP)
        link = next(iter(self._linked_images()), None) if self._task in EACH else None
        if link is None:
            return lists
        batch = _batch(self._graph, link, DEEP)
        if batch is None:
            self.unknown.append("each image that comes in is a call of its own; reckoned for one")
        return lists * (batch or 1)

    def _linked_images(self) -> list[list[Any]]:
        inputs = self._node["inputs"]
        return [inputs[name] for name in IMAGES if _is_link(inputs.get(name))]

    def asked(self, model: Model) -> Asked:
        from ..generation.estimate import Asked, Span, sizes

        pictures = self._pictures(model)
        areas = [size and size[0] * size[1] / 1_000_000 for size in pictures]
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

    def _says_open(self, name: str) -> bool:
        if not self.is_open(name):
            return False
        self.unknown.append(f"{name.removeprefix('model.')} is linked")
        return True

    def _count(self) -> Span:
        from ..generation.estimate import Span

        if self._says_open("count"):
            return Span(1, MOST_COUNT)
        count = self.value("count")
        return Span.of(max(1, int(count)) if isinstance(count, (int, float)) else 1)

    def _text(self) -> Span:
        from ..generation.estimate import Span

        text = self.value("prompt")
        # What stands in a linked prompt moves the price by a fraction of a cent at most: it is no open question.
        return Span.of(len(text.encode("utf-8", "replace"))) if isinstance(text, str) else Span(0, MOST_WORDS)

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
        from ..generation.estimate import Span, sizes

        if self._says_open("width") or self._says_open("height"):
            return sizes(model)
        width, height = self.value("width"), self.value("height")
        if model.sizes.told_by == "aspect":
            return None
        if not (_is_size(width) and _is_size(height)):
            if self._task == "text-to-image":
                return None
            if first is None or any(self._says_open(name) for name in (*MARGINS, "scale")):
                return self._any_size(model)
            width, height = self._reshaped(model, first)
        return Span.of(width * height / 1_000_000)

    def _reshaped(self, model: Model, first: Size) -> Size:
        width, height = first
        if self._task == "upscale":
            factor = float(self.value("scale") or (model.scale.default if model.scale else 2))
            return width * factor, height * factor
        if self._task == "outpaint":
            left, right, top, bottom = (int(self.value(name) or 0) for name in MARGINS)
            return width + left + right, height + top + bottom
        return first

    def _any_size(self, model: Model) -> Span:
        from ..generation.estimate import Span, sizes

        self.unknown.append("the size depends on the image")
        span, rule = sizes(model), model.scale
        if self._task == "upscale" and rule and rule.max_pixels:
            return Span(min(span.low, rule.max_pixels / 1_000_000), rule.max_pixels / 1_000_000)
        return span

    def _pictures(self, model: Model) -> list[Size | None]:
        """Width and height of each image that goes in, None where only the run will tell."""
        found = [_size(self._graph, link, DEEP) for link in self._linked_images()]
        if None in found and getattr(model.price, "input_microusd", None) is not None:
            self.unknown.append("what goes in is billed by its size")
        return found


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)


def _literal(graph: Graph, link: list[Any]) -> Any:
    node = graph.get(link[0]) or {}
    value = node.get("inputs", {}).get("value") if str(node.get("class_type", "")).startswith("Primitive") else None
    return None if _is_link(value) else value


def _links(node: Mapping[str, Any]) -> Iterator[list[Any]]:
    yield from (value for value in node.get("inputs", {}).values() if _is_link(value))


def _runs(graph: Graph, node: Mapping[str, Any], depth: int) -> int:
    """A list of seeds makes all that needs it run once for each; of several lists the longest counts."""
    most = 1
    for link in _links(node) if depth else ():
        source = graph.get(link[0]) or {}
        count = source.get("inputs", {}).get("count") if source.get("class_type") == "MintmarkSeedBatch" else None
        most = max(most, count if isinstance(count, int) else _runs(graph, source, depth - 1))
    return most


def _needed(graph: Graph, node_id: str) -> set[str]:
    """The nodes that this one needs, directly or not."""
    found: set[str] = set()
    todo = [node_id]
    while todo:
        for link in _links(graph.get(todo.pop()) or {}):
            if link[0] not in found:
                found.add(link[0])
                todo.append(link[0])
    return found


def _is_size(value: Any) -> bool:
    return isinstance(value, (int, float)) and value > 0


def _size(graph: Graph, link: list[Any], depth: int) -> Size | None:
    """Width and height of the image that comes over this link, as far as the graph and the input folder tell."""
    node = graph.get(link[0]) or {}
    values = node.get("inputs", {})
    if node.get("class_type") in LOADERS:
        return _file(values.get("image"))
    width, height = values.get("width"), values.get("height")
    if _is_size(width) and _is_size(height):
        return width, height
    through = _through(node)
    return _size(graph, through, depth - 1) if through and depth else None


def _batch(graph: Graph, link: list[Any], depth: int) -> int | None:
    """How many images come over this link, as far as the graph tells."""
    node = graph.get(link[0]) or {}
    values = node.get("inputs", {})
    if node.get("class_type") in LOADERS:
        return 1
    count = values.get("count", values.get("batch_size")) if _is_hosted(node) or "batch_size" in values else None
    if isinstance(count, int):
        return count
    if _is_hosted(node) and "count" not in values and not any(_is_link(values.get(name)) for name in IMAGES):
        return 1
    through = _through(node)
    return _batch(graph, through, depth - 1) if through and depth else None


def _through(node: Mapping[str, Any]) -> list[Any] | None:
    """What a node that changes neither size nor number of its images got them from."""
    if node.get("class_type") not in SAME_SIZE:
        return None
    return next((value for name, value in node.get("inputs", {}).items() if name in IMAGES and _is_link(value)), None)


def _file(name: Any) -> Size | None:
    from ..errors import MintmarkError
    from ..generation.pictures import inspect

    try:
        _, width, height = inspect(inputs.read(str(name)), max_pixels=2**62)
    except MintmarkError:
        return None
    return width, height
