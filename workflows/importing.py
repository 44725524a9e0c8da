"""ComfyUI's partner nodes become nodes of ours: in a graph as the canvas saves it, and in API format.

A partner node is paid in Comfy.org credits; ours asks the same provider with a key of one's own. Everything else in the
graph stays as it is. What does not map is told, input by input: a graph is never changed in silence.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import FileMissing, InvalidWorkflow
from .badge import Badge, badge
from .check import is_link
from .mapping import Linked, Lost, Mapped, map_node
from .object_info import ObjectInfo
from .partners import Partner, others, partners
from .reading import read_json
from .ui_format import is_api_format, is_ui_format

LARGEST = 64 * 1024 * 1024
"""Bytes of a graph file."""


@dataclass(frozen=True)
class Imported:
    """One partner node that was replaced. ``badge``: what its price badge said; ``source``: where that was read."""

    node_id: str
    title: str
    was: str
    node: str
    model: str
    inputs: Mapping[str, Any]
    """Literals only, in the words of our node."""
    linked: frozenset[str]
    """Inputs of our node that have a link."""
    badge: Badge | None
    as_of: str
    source: str
    told: tuple[str, ...] = ()


@dataclass(frozen=True)
class NotMapped:
    """What stayed behind: an input of a node that was replaced, or, where ``input`` is empty, a whole node."""

    node_id: str
    was: str
    input: str
    value: Any
    reason: str


@dataclass
class Import:
    """``document``: the graph in its own format, with what was replaced."""

    document: dict[str, Any]
    ui: bool
    imported: list[Imported] = field(default_factory=list)
    not_mapped: list[NotMapped] = field(default_factory=list)

    def note(self, node_id: str, title: str, partner: Partner, values: Mapping[str, Any], made: Mapped) -> None:
        """Keep what became of one partner node."""
        self.not_mapped += [NotMapped(node_id, partner.name, each.input, each.value, each.reason) for each in made.lost]
        if not made.node:
            return
        linked = frozenset(name for name, value in values.items() if isinstance(value, Linked))
        literals = {name: value for name, value in made.inputs.items() if not isinstance(value, Linked)}
        self.imported.append(
            Imported(
                node_id=node_id,
                title=title,
                was=partner.name,
                node=made.node,
                model=made.model,
                inputs=literals,
                linked=frozenset(made.inputs) - literals.keys(),
                badge=badge(partner.price, values, linked),
                as_of=partner.as_of,
                source=partner.source,
                told=tuple(made.told),
            )
        )

    def note_other(self, node_id: str, name: str) -> None:
        """A partner node of a provider that Mintmark does not have, or of a kind it does not make."""
        reason = f"a partner node ({others()[name]}) that Mintmark has nothing for"
        self.not_mapped.append(NotMapped(node_id, name, "", None, reason))


def read_graph(path: Path) -> dict[str, Any]:
    """A graph from a file, in UI or API format. Raises FileMissing, and InvalidWorkflow for anything else."""
    try:
        if path.stat().st_size > LARGEST:
            raise InvalidWorkflow(f"{path} is larger than any graph.", hint="Give the JSON file that ComfyUI saved.")
        content = path.read_bytes()
    except OSError as exc:
        raise FileMissing(f"{path} cannot be read: {exc.strerror}.", hint="Check the path.") from exc
    return check_graph(read_json(content, str(path)), str(path))


def check_graph(data: Any, where: str) -> dict[str, Any]:
    """The data, where it is a graph. Raises InvalidWorkflow that says what to give instead."""
    if is_ui_format(data) or is_api_format(data):
        return dict(data)
    hint = "Give a file that ComfyUI saved (Workflow, Save) or exported (Workflow, Export (API))."
    if isinstance(data, dict) and is_api_format(data.get("graph")):
        hint = "It is a workflow file of Mintmark's, which holds no partner nodes, or whose graph must be given alone."
    raise InvalidWorkflow(f"{where} is no graph of ComfyUI's.", hint=hint)


def import_graph(document: Mapping[str, Any], object_info: ObjectInfo) -> Import:
    """The graph with our nodes in place of partner nodes; the one given is left as it is.

    ``object_info`` tells of our nodes, as a worker with the pack answers it. Raises InvalidWorkflow for what is no
    graph, or one whose parts contradict each other.
    """
    from .importing_ui import import_ui

    given = check_graph(document, "the graph")
    try:
        result = Import(copy.deepcopy(given), is_ui_format(given))
        if result.ui:
            import_ui(result, object_info)
        else:
            _import_api(result, object_info)
    except (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError) as exc:
        raise InvalidWorkflow(
            f"The graph contradicts itself: {type(exc).__name__} {exc}.", hint="Open it in ComfyUI and save it again."
        ) from exc
    return result


def values_of(partner: Partner, given: Mapping[str, Any]) -> dict[str, Any]:
    """The node's values with its defaults where none are given, nested ones included."""
    found = {**partner.widgets, **given}
    for combo, options in partner.nested.items():
        below = options.get(str(found.get(combo)), {})
        found = {**{f"{combo}.{name}": value for name, value in below.items()}, **found}
    return found


def _import_api(result: Import, object_info: ObjectInfo) -> None:
    for node_id, node in result.document.items():
        if (partner := partners().get(node["class_type"])) is None:
            if node["class_type"] in others():
                result.note_other(node_id, node["class_type"])
            continue
        given = {name: _api_value(value, result.document, object_info) for name, value in node["inputs"].items()}
        values = values_of(partner, given)
        made = map_node(partner, values, object_info)
        title = _title(node.get("_meta") or {}, partner, made.node, object_info)
        result.note(node_id, title, partner, values, made)
        if made.node:
            inputs = {name: value.key if isinstance(value, Linked) else value for name, value in made.inputs.items()}
            node.update(class_type=made.node, inputs={**_required(object_info[made.node], inputs), **inputs})
            node["_meta"] = {**(node.get("_meta") or {}), "title": title}


def _api_value(value: Any, graph: Mapping[str, Any], object_info: ObjectInfo) -> Any:
    if isinstance(value, dict) and set(value) == {"__value__"}:
        return value["__value__"]
    if not is_link(value):
        return value
    info = object_info.get(graph.get(value[0], {}).get("class_type", ""), {})
    kinds = info.get("output") or ()
    return Linked(value, str(kinds[value[1]]) if 0 <= value[1] < len(kinds) else "*")


def _required(info: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Required widgets at their defaults: the server wants them all."""
    groups = (info.get("input") or {}).get("required") or {}
    return {
        name: spec[1]["default"]
        for name, spec in groups.items()
        if name not in given and len(spec) > 1 and "default" in spec[1]
    }


def _title(meta: Mapping[str, Any], partner: Partner, node: str, object_info: ObjectInfo) -> str:
    """The title somebody gave the node; the one it came with becomes ours."""
    return title_of(meta.get("title"), partner, node, object_info)


def title_of(title: Any, partner: Partner, node: str, object_info: ObjectInfo) -> str:
    """A node's title after the import: a person's own stays."""
    if isinstance(title, str) and title and title not in (partner.title, partner.name):
        return title
    return str(object_info.get(node, {}).get("display_name") or node or partner.title)


def report(result: Import) -> Iterator[dict[str, Any]]:
    """The losses as plain data."""
    for each in result.not_mapped:
        yield {
            "node": each.node_id,
            "was": each.was,
            "input": each.input or None,
            "value": json.loads(json.dumps(each.value, default=str)),
            "reason": each.reason,
        }


__all__ = ["Import", "Imported", "Lost", "NotMapped", "check_graph", "import_graph", "read_graph"]
