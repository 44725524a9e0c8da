"""The import in a graph as the canvas saves it: nodes are replaced in place, and links are re-attached by name.

A node keeps its id, position, title, colours, mode and group. Links stand in the document as lists, inside of subgraphs
as objects; both are read here. What belongs to a link that found no place any more goes with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .badge import is_or_below
from .canvas import CONTROLS, Entry, entries
from .importing import Import, title_of, values_of
from .mapping import Linked, Mapped, map_node
from .object_info import ObjectInfo
from .partners import Partner, others, partners

WIDTH, ROW = 380, 26
"""Pixels: the least width of our nodes, and the height of one row."""

MUTED, BYPASSED = 2, 4
"""A node's ``mode`` when it does not run, and when it only hands on what it is given."""


def import_ui(result: Import, object_info: ObjectInfo) -> None:
    """Replace the partner nodes of the document and of every subgraph in it."""
    replaced: dict[tuple[str, str], dict[str, str]] = {}
    for name, scope in _scopes(result.document):
        graph = _Graph(scope, name)
        for node in scope["nodes"]:
            kind, label = node["type"], f"{name}/{node['id']}" if name else str(node["id"])
            if kind in others():
                result.note_other(label, kind)
            if (partner := partners().get(kind)) is not None:
                made = graph.replace(node, partner, object_info, result, label)
                replaced[(name, str(node["id"]))] = made.names if made.node else {}
    _rename_promoted(result.document, replaced)


def _scopes(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "", document
    for subgraph in (document.get("definitions") or {}).get("subgraphs") or ():
        yield str(subgraph.get("id") or subgraph.get("name")), subgraph


class _Graph:
    """The document or one subgraph, and its links."""

    def __init__(self, scope: dict[str, Any], name: str) -> None:
        self._scope, self._name = scope, name
        self._links = {_part(link, "id", 0): link for link in scope.get("links") or ()}

    def replace(
        self, node: dict[str, Any], partner: Partner, object_info: ObjectInfo, result: Import, label: str
    ) -> Mapped:
        """Turn a partner node into ours, where there is one."""
        given, control = _given(node, partner, self._kind)
        off = [
            name for name, value in given.items() if isinstance(value, Linked) and self._is_off(value, name, partner)
        ]
        values = values_of(partner, {name: value for name, value in given.items() if name not in off})
        made = map_node(partner, values, object_info)
        made.told += [f"{name} comes from a node that is switched off, so it was taken as not linked" for name in off]
        title = title_of(node.get("title"), partner, made.node, object_info)
        result.note(label, title, partner, values, made)
        if made.node:
            had = {each["link"] for each in node.get("inputs") or () if each.get("link") is not None}
            self._write(node, made, object_info[made.node], title, control)
            kept = {each["link"] for each in node["inputs"]}
            for link in had - kept:
                self._drop(link)
        return made

    def _is_off(self, linked: Linked, name: str, partner: Partner) -> bool:
        """Whether nothing can come over the link, and the node does without it."""
        optional = any(is_or_below(name, each) for become in partner.becomes for each in become.when)
        link = self._links.get(linked.key)
        if not optional or link is None:
            return False
        source = next((each for each in self._scope["nodes"] if each["id"] == _part(link, "origin_id", 1)), None)
        if source is None:
            return False
        fed = any(each.get("link") is not None for each in source.get("inputs") or ())
        return source.get("mode") == MUTED or (source.get("mode") == BYPASSED and not fed)

    def _kind(self, link: Any) -> str:
        return str(_part(self._links[link], "type", 5)) if link in self._links else "*"

    def _write(self, node: dict[str, Any], made: Mapped, info: Mapping[str, Any], title: str, control: str) -> None:
        inputs: list[dict[str, Any]] = []
        widgets: list[Any] = []

        def value_of(entry: Entry) -> Any:
            value = made.inputs.get(entry.name, entry.idle)
            return entry.idle if isinstance(value, Linked) else value

        for entry in entries(info, value_of):
            value = made.inputs.get(entry.name)
            if isinstance(value, Linked) or not entry.widget:
                inputs.append(_input(entry, value.key if isinstance(value, Linked) else None))
            if entry.widget:
                widgets += [value_of(entry), *([control] if entry.controlled else [])]
        for slot, each in enumerate(inputs):
            if each["link"] in self._links:
                _set(self._links[each["link"]], "target_slot", 4, slot)
        node.update(type=made.node, inputs=inputs, outputs=_outputs(node, info), widgets_values=widgets, title=title)
        node["properties"] = {**_kept(node), "cnr_id": "mintmark", "Node name for S&R": made.node}
        node["size"] = _size(node.get("size"), info, len(widgets), len(inputs))
        node.pop("showAdvanced", None)

    def _drop(self, link_id: Any) -> None:
        """Take a link away from everything that names it."""
        link = self._links.pop(link_id, None)
        if link is None:
            return
        self._scope["links"].remove(link)
        source = _part(link, "origin_id", 1)
        for node in self._scope["nodes"]:
            if node["id"] == source:
                for output in node.get("outputs") or ():
                    output["links"] = [each for each in output.get("links") or () if each != link_id] or None
        for entrance in self._scope.get("inputs") or ():  # of a subgraph
            if isinstance(entrance, dict) and link_id in (entrance.get("linkIds") or ()):
                entrance["linkIds"].remove(link_id)
        extra = self._scope.get("extra") or {}
        if "linkExtensions" in extra:
            extra["linkExtensions"] = [each for each in extra["linkExtensions"] if each.get("id") != link_id]
        for reroute in extra.get("reroutes") or ():
            if link_id in (reroute.get("linkIds") or ()):
                reroute["linkIds"].remove(link_id)


def _given(node: Mapping[str, Any], partner: Partner, kind_of: Any) -> tuple[dict[str, Any], str]:
    """(what the node holds and what is linked to it, by name; how its seed changes after each run)."""
    given, control = _widgets(node.get("widgets_values"), partner)
    for each in node.get("inputs") or ():
        if each.get("link") is not None:
            given[each["name"]] = Linked(each["link"], kind_of(each["link"]))
    return given, control


def _widgets(values: Any, partner: Partner) -> tuple[dict[str, Any], str]:
    if isinstance(values, Mapping):
        return dict(values), "fixed"
    given: dict[str, Any] = {}
    control, left = "fixed", list(values or ())
    names = list(partner.widgets)
    while names and left:
        name = names.pop(0)
        given[name] = left.pop(0)
        below = partner.nested.get(name, {}).get(str(given[name]), {})
        names[:0] = [f"{name}.{each}" for each in below]
        if name == "seed" and left and left[0] in CONTROLS:
            control = left.pop(0)
    return given, control


def _input(entry: Entry, link: Any) -> dict[str, Any]:
    kind = entry.kind if isinstance(entry.kind, str) else "COMBO"
    made: dict[str, Any] = {"name": entry.name, "type": kind, "link": link}
    if entry.widget:
        made["widget"] = {"name": entry.name}
    elif entry.optional:
        made["shape"] = 7  # the canvas draws optional sockets as rings
    return made


def _outputs(node: Mapping[str, Any], info: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Ours; what hung on the partner node's only output hangs on our first one."""
    before = node.get("outputs") or ()
    links = (before[0].get("links") or None) if before else None
    both = zip(info["output_name"], info["output"], strict=True)
    return [{"name": name, "type": kind, "links": None if slot else links} for slot, (name, kind) in enumerate(both)]


def _kept(node: Mapping[str, Any]) -> dict[str, Any]:
    properties = node.get("properties") or {}
    return {name: value for name, value in properties.items() if name not in ("ver", "aux_id", "ue_properties")}


def _size(before: Any, info: Mapping[str, Any], widgets: int, inputs: int) -> list[float]:
    """As large as it was, and large enough for our rows; a field for text takes several."""
    wide, high = _pair(before)
    texts = sum(1 for group in info["input"].values() for spec in group.values() if _is_long(spec))
    return [max(wide, WIDTH), max(high, 50 + ROW * (max(inputs, len(info["output"])) + widgets + 3 * texts))]


def _pair(size: Any) -> tuple[float, float]:
    values = [size.get("0", 0), size.get("1", 0)] if isinstance(size, Mapping) else list(size or (0, 0))
    return float(values[0]), float(values[1])


def _is_long(spec: Any) -> bool:
    return isinstance(spec, list) and len(spec) > 1 and isinstance(spec[1], Mapping) and bool(spec[1].get("multiline"))


def _part(link: Any, name: str, place: int) -> Any:
    return link[name] if isinstance(link, Mapping) else link[place]


def _set(link: Any, name: str, place: int, value: Any) -> None:
    link[name if isinstance(link, Mapping) else place] = value


def _rename_promoted(document: dict[str, Any], replaced: Mapping[tuple[str, str], Mapping[str, str]]) -> None:
    """A subgraph shows widgets of its nodes on itself: they follow their node's new names, or go."""
    for _, scope in _scopes(document):
        for node in scope["nodes"]:
            properties = node.get("properties") or {}
            if "proxyWidgets" in properties:
                found = [_promoted(each, str(node["type"]), replaced) for each in properties["proxyWidgets"]]
                properties["proxyWidgets"] = [each for each in found if each is not None]


def _promoted(pair: Any, subgraph: str, replaced: Mapping[tuple[str, str], Mapping[str, str]]) -> Any:
    names = replaced.get((subgraph, str(pair[0])))
    if not names:
        return pair
    new = next((ours for was, ours in names.items() if is_or_below(str(pair[1]), was)), None)
    return None if new is None else [pair[0], new, *pair[2:]]
