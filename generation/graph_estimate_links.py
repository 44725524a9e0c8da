"""Following the links of a graph (ComfyUI's API form): what is needed, and how large its images are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ..providers.local_name import PREFIX, is_local

Graph = Mapping[str, Any]
Size = tuple[float, float]
Link = list[Any]
"""``[node id, output index]``."""


class File(NamedTuple):
    """What a file holds. A node that loads an animation gives its frames as a batch; ``frames``: at least, at most."""

    width: int
    height: int
    frames: tuple[int, int] = (1, 1)


Picture = Callable[[Any], "File | None"]
"""The file that a node which loads one names; None where that cannot be told here."""

IMAGES = ("image", "images", "map", "image_2", "image_3", "image_4")
LOAD_IMAGE = "LoadImage"
"""The one that gives all frames of a file."""
LOADERS = frozenset({LOAD_IMAGE, "MintmarkLoadImageWithCredentials"})
_SAME_SIZE = frozenset({"MintmarkModerateImage", "MintmarkModerationGate", "MintmarkVisibleLabel", "ImageInvert"})
SAMPLER = "MintmarkLocalSample"
"""The node that samples what comes over its pipeline."""
HERE = frozenset(f"Mintmark{name}" for name in ("LocalUpscale", "FaceRestore", "LocalEncode", "LocalDecode"))
"""Nodes of ours that compute on the worker and make no call: a model's file on them is no model's name."""
LOADER = "MintmarkLoadPipeline"
"""The node with which a pipeline begins, and that names its checkpoint."""
_NEVER_OUTPUTS = ("Mintmark", "Primitive")
OUTPUTS = frozenset(
    {
        *("MintmarkCostEstimate", "MintmarkReceipt", "MintmarkSignAndSave", "MintmarkReadCredentials"),
        *("PreviewAny", "PreviewImage", "SaveImage"),
    }
)
"""Nodes for whose sake a graph runs: ours, and of ComfyUI's own those with which hosted nodes usually end."""
_DEEP = 64


def is_link(value: Any) -> bool:
    """Whether an input comes from another node."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)


def is_hosted(node: Any) -> bool:
    """Whether the node asks a provider."""
    return _has_model(node) and not _is_local(node["inputs"]["model"])


def is_sampled(node: Any) -> bool:
    """Whether the node of ours makes images on the worker itself: by a call of its own, as a hosted one."""
    if isinstance(node, dict) and node.get("class_type") == SAMPLER:
        return True
    return _has_model(node) and _is_local(node["inputs"]["model"])


def _has_model(node: Any) -> bool:
    name = node.get("class_type", "") if isinstance(node, dict) else ""
    if not str(name).startswith("Mintmark") or name in OUTPUTS or name in HERE:
        return False
    return "model" in node.get("inputs", {})


def _is_local(model: Any) -> bool:
    return isinstance(model, str) and is_local(model)


def literal(graph: Graph, link: Link) -> Any:
    """The value that comes over this link, where a primitive gives it."""
    node = graph.get(link[0]) or {}
    value = node.get("inputs", {}).get("value") if str(node.get("class_type", "")).startswith("Primitive") else None
    return None if is_link(value) else value


def model_of(graph: Graph, node_id: str) -> Any:
    """The name of the model that this node asks or samples, as far as the graph tells; else what stands there."""
    node = graph.get(node_id) or {}
    for _ in range(_DEEP):
        values = node.get("inputs", {})
        if node.get("class_type") == LOADER:
            name = values.get("checkpoint")
            return f"{PREFIX}{name}" if isinstance(name, str) else name
        link = values.get("pipeline")
        if not is_link(link):
            break
        node = graph.get(link[0]) or {}
    found = (graph.get(node_id) or {}).get("inputs", {}).get("model")
    return literal(graph, found) if is_link(found) else found


def needed(graph: Graph, nodes: Iterable[str]) -> set[str]:
    """The nodes that these need, directly or not; and they themselves."""
    found = set(nodes)
    todo = list(found)
    while todo:
        for link in links_of(graph.get(todo.pop())):
            if link[0] not in found:
                found.add(link[0])
                todo.append(link[0])
    return found


def ends(graph: Graph) -> set[str]:
    """The nodes for whose sake the graph runs: what no such node needs is not run, and costs nothing.

    Which nodes of other packs these are, only a worker knows; one that nobody takes anything from counts as one.
    """
    used = {link[0] for node in graph.values() if isinstance(node, dict) for link in links_of(node)}
    return {node_id for node_id, node in graph.items() if isinstance(node, dict) and _is_end(node, node_id in used)}


def _is_end(node: Mapping[str, Any], used: bool) -> bool:
    name = str(node.get("class_type", ""))
    return name in OUTPUTS or not (used or name.startswith(_NEVER_OUTPUTS))


def is_size(value: Any) -> bool:
    """Whether it is a number of pixels."""
    return isinstance(value, (int, float)) and value > 0


def size(graph: Graph, link: Link, picture: Picture, depth: int = _DEEP) -> Size | None:
    """Width and height of the image that comes over this link, as far as the graph and its files tell."""
    node = graph.get(link[0]) or {}
    values = node.get("inputs", {})
    if node.get("class_type") in LOADERS:
        file = picture(values.get("image"))
        return None if file is None else (file.width, file.height)
    width, height = values.get("width"), values.get("height")
    if is_size(width) and is_size(height):
        return width, height
    through = _through(node)
    return size(graph, through, picture, depth - 1) if through and depth else None


def links_of(node: Any) -> Iterator[Link]:
    """The inputs of a node that come from other nodes."""
    inputs = node.get("inputs") if isinstance(node, Mapping) else None
    yield from (value for value in (inputs or {}).values() if is_link(value))


def _through(node: Mapping[str, Any]) -> Link | None:
    """What a node that changes neither size nor number of its images got them from."""
    if node.get("class_type") not in _SAME_SIZE:
        return None
    return next((value for name, value in node.get("inputs", {}).items() if name in IMAGES and is_link(value)), None)
