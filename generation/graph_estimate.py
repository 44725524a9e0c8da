"""What the hosted nodes of a graph will cost, read off the graph itself (ComfyUI's API form) before it runs.

Only nodes that something with an outcome needs are counted: a worker runs no others. See :func:`.ends`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import MintmarkError
from ..providers.local_model import LocalModel
from ..providers.model import Model
from ..providers.models import Catalog
from .estimate import Estimate, estimate, total_of
from .graph_estimate_batch import APP, FAN_OUT
from .graph_estimate_held import HeldReader
from .graph_estimate_links import File, Graph, Picture, ends, is_hosted, is_sampled, model_of, needed
from .graph_estimate_local import ELSEWHERE, local_estimate
from .graph_estimate_node import NodeReader

_SINGLE = frozenset(
    [
        "LoadImage",
        "LoadImageMask",
        "SaveImage",
        "PreviewImage",
        "PreviewAny",
        "EmptyImage",
        "ImageScale",
        "ImageScaleBy",
        "ImageBatch",
        "ImageInvert",
        "ImageCrop",
        "ImagePadForOutpaint",
        "MaskToImage",
        "ImageToMask",
        "InvertMask",
        "GrowMask",
        "SolidMask",
        "PrimitiveInt",
        "PrimitiveFloat",
        "PrimitiveString",
        "PrimitiveStringMultiline",
        "PrimitiveBoolean",
    ]
)
"""Core nodes of which it is known that they give no lists."""


Checkpoint = Callable[[str], "LocalModel | None"]
"""A checkpoint by its model name, where this machine has it."""


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


def no_picture(name: Any) -> File | None:
    """For graphs whose files are elsewhere: nothing is known of them."""
    return None


def picture_in(data: bytes) -> File | None:
    """What an image file holds, from its headers; None for what is none."""
    from .pictures import frames_in

    try:
        width, height, frames = frames_in(data)
    except MintmarkError:
        return None
    return File(width, height, frames)


def picture_file(name: Any) -> File | None:
    """For graphs that name files by their paths on this machine."""
    try:
        return picture_in(Path(str(name)).read_bytes())
    except (OSError, ValueError):
        return None


def no_checkpoint(name: str) -> LocalModel | None:
    """For graphs whose checkpoints are elsewhere: what they take is not known."""
    return None


def lines(
    graph: Graph,
    *,
    after: str | None = None,
    outputs: Collection[str] = (),
    picture: Picture = no_picture,
    checkpoint: Checkpoint = no_checkpoint,
) -> list[Line]:
    """The nodes of the graph that will run and that make calls, in its order: hosted ones, and those of ours that
    sample on the worker itself. With ``after`` those alone that need that node.

    ``outputs``: nodes that are outcomes, beside those that can be told by their names. ``checkpoint`` tells of one.
    """
    running = needed(graph, ends(graph) | (set(outputs) & set(graph)))
    calling = [node_id for node_id, node in graph.items() if node_id in running and _calls(node)]
    wanted = [each for each in calling if after is None or (each != after and after in needed(graph, [each]))]
    return [_line(graph, node_id, picture, checkpoint) for node_id in wanted]


def unneeded(graph: Graph, *, outputs: Collection[str] = ()) -> list[str]:
    """The nodes that make calls and will not run, by title: nothing that has an outcome needs them."""
    running = needed(graph, ends(graph) | (set(outputs) & set(graph)))
    return [_title(node) for node_id, node in graph.items() if _calls(node) and node_id not in running]


def _calls(node: Any) -> bool:
    return is_hosted(node) or is_sampled(node)


def one(model: str, count: int, width: int, height: int) -> Line:
    """What this model costs for so many images of this size."""
    values = {"model": model, "count": count, "width": width, "height": height, "prompt": ""}
    return _line({"0": {"class_type": "MintmarkTextToImage", "inputs": values}}, "0", no_picture, no_checkpoint)


def _title(node: Any) -> str:
    return str((node.get("_meta") or {}).get("title") or node["class_type"])


def _line(
    graph: Graph, node_id: str, picture: Picture, checkpoint: Checkpoint, read: type[NodeReader] = NodeReader
) -> Line:
    reader = read(graph, node_id, picture)
    sampled = is_sampled(graph[node_id])
    title, name = _title(graph[node_id]), model_of(graph, node_id) if sampled else reader.value("model")
    known = (checkpoint if sampled else Catalog.load().find)(name) if isinstance(name, str) else None
    if known is None:
        why = ELSEWHERE if sampled else f"{name} is in no catalog" if isinstance(name, str) else "the model is linked"
        return Line(node_id, title, str(name or "?"), "?", Estimate(0, None), (why,))
    return _known_line(node_id, title, known, reader)


def _known_line(node_id: str, title: str, model: Model, reader: NodeReader) -> Line:
    if isinstance(model, LocalModel):
        asked, found = local_estimate(reader, model)
    else:
        asked = reader.asked(model)
        found = estimate(asked)
    times = reader.runs()
    if model.price is None:
        reader.unknown.append("the catalog knows no price")
    images = reader.made().times(times)
    whole = total_of(found, times.least, None if images.most is None else times.most)
    return Line(node_id, title, model.name, str(images), whole, tuple(dict.fromkeys(reader.unknown)))


def bound_microusd(graph: Graph, picture: Picture = no_picture) -> int | None:
    """The most that all hosted calls of the graph will set aside; None where that cannot be said for sure.

    So it is where a node is not known here (it might give a list, and what comes after a list runs once for each),
    where pictures go in that ``picture`` does not know (a file can hold several, and each may be a call of its own) or
    that a model has yet to make, and where previews are paid for. Where core nodes alone are in it, it is nothing.
    """
    if graph and all(_is_core(node) for node in graph.values()):
        return 0
    hosted = {node_id: node for node_id, node in graph.items() if is_hosted(node)}
    previews = any("model.previews" in node["inputs"] for node in hosted.values())
    if any(is_sampled(node) for node in graph.values()):
        return None  # what the worker's GPU takes has its own bound, which its checkpoints tell
    if previews or not all(_gives_no_list(graph, node) for node in graph.values()):
        return None
    if any(_takes_more(graph, node_id, hosted.keys()) for node_id in hosted):
        return None
    running = needed(graph, ends(graph))
    found = [_line(graph, each, picture, no_checkpoint, HeldReader) for each in hosted if each in running]
    if not found or any(line.unknown or line.estimate.high is None for line in found):
        return None
    return sum(line.firm_microusd for line in found)


def _takes_more(graph: Graph, node_id: str, hosted: Collection[str]) -> bool:
    """Whether a hosted node takes pictures of which the graph and its files do not tell all."""
    kind = graph[node_id]["class_type"]
    if kind == "MintmarkTextToImage":
        return False
    return kind not in FAN_OUT or kind == APP or any(each in hosted for each in needed(graph, [node_id]) - {node_id})


def _gives_no_list(graph: Graph, node: Any) -> bool:
    """Whether the node gives single values, or a list whose length :class:`NodeReader` reads off the graph."""
    kind = str(node.get("class_type", "")) if isinstance(node, dict) else ""
    values = (node.get("inputs") or {}).values() if kind else ()
    scores = any(isinstance(value, list) and value[1:] == [2] and _is_ranking(graph.get(value[0])) for value in values)
    return not scores and (kind in _SINGLE or kind.startswith("Mintmark"))


def _is_core(node: Any) -> bool:
    return isinstance(node, dict) and node.get("class_type") in _SINGLE


def _is_ranking(node: Any) -> bool:
    return isinstance(node, dict) and node.get("class_type") == "MintmarkRankCandidates"
