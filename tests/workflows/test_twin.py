"""Each shipped workflow exists twice: as a release, and as the graph a person opens in ComfyUI. They must be equal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mintmark.errors import InvalidWorkflow
from mintmark.workflows.library import SHIPPED, Library
from mintmark.workflows.reading import parse
from mintmark.workflows.ui_format import is_api_format, is_ui_format
from mintmark.workflows.validate import validate

TWINS = sorted(SHIPPED.parent.glob("*.json"))
WIDGETS = {"STRING", "INT", "FLOAT", "BOOLEAN", "COMBO", "COMFY_DYNAMICCOMBO_V3"}
ONLY_ON_THE_PAGE = {"Note", "MarkdownNote"}


def _widgets(groups: dict[str, Any], values: Iterator[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(input, value) of every widget in the page's order: required before optional, nested ones behind their combo."""
    for group in ("required", "optional"):
        for short, (kind, *rest) in groups.get(group, {}).items():
            name, options = prefix + short, rest[0] if rest else {}
            if (isinstance(kind, str) and kind not in WIDGETS) or options.get("forceInput"):
                continue
            value = next(values)
            yield name, value
            if options.get("control_after_generate"):
                assert next(values) in ("fixed", "increment", "decrement", "randomize")
            if options.get("image_upload"):
                assert next(values) == "image", "the upload button has a value, too"
            for option in options.get("options", []):
                if kind == "COMFY_DYNAMICCOMBO_V3" and option["key"] == value:
                    yield from _widgets(option["inputs"], values, f"{name}.")


def as_api(ui: dict[str, Any], palette: dict[str, Any]) -> dict[str, Any]:
    """The UI graph as the page would send it."""
    links = {link[0]: [str(link[1]), link[2]] for link in ui["links"]}
    graph: dict[str, Any] = {}
    for node in ui["nodes"]:
        if node["type"] in ONLY_ON_THE_PAGE:
            continue
        values = iter(node["widgets_values"])
        inputs = dict(_widgets(palette[node["type"]]["input"], values))
        assert list(values) == [], f"{node['title']} has more values than widgets"
        inputs.update({each["name"]: links[each["link"]] for each in node["inputs"] if each["link"] is not None})
        graph[str(node["id"])] = {"class_type": node["type"], "inputs": inputs, "_meta": {"title": node["title"]}}
    return graph


def _optional_defaults(groups: dict[str, Any], inputs: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """What each optional widget holds when nobody touched it, nested ones of the chosen option included."""
    found = {
        prefix + name: spec[1]["default"] for name, spec in groups.get("optional", {}).items() if "default" in spec[1]
    }
    for name, (kind, *rest) in groups["required"].items():
        for option in rest[0]["options"] if kind == "COMFY_DYNAMICCOMBO_V3" else ():
            if option["key"] == inputs[prefix + name]:
                found.update(_optional_defaults(option["inputs"], inputs, f"{prefix}{name}."))
    return found


def without_defaults(graph: dict[str, Any], palette: dict[str, Any]) -> dict[str, Any]:
    """The graph without optional inputs at their node's default: the page always sends them, a release need not."""
    found: dict[str, Any] = {}
    for node_id, node in graph.items():
        idle = _optional_defaults(palette[node["class_type"]]["input"], node["inputs"])
        kept = {name: value for name, value in node["inputs"].items() if name not in idle or value != idle[name]}
        found[node_id] = {**node, "inputs": kept}
    return found


@pytest.fixture(params=TWINS, ids=[each.stem for each in TWINS])
def twin(request: pytest.FixtureRequest) -> dict[str, Any]:
    return json.loads(Path(request.param).read_bytes())


def test_each_workflow_has_its_twin() -> None:
    assert [each.stem for each in TWINS] == Library().names()
    assert len(TWINS) >= 7


def test_each_template_has_a_thumbnail(twin: dict[str, Any]) -> None:
    name = twin["extra"]["mintmark"]["workflow"]
    file = SHIPPED.parent / f"{name}.jpg"
    with Image.open(file) as picture:
        assert (picture.format, picture.size) == ("JPEG", (512, 512))
    assert file.stat().st_size < 80_000


def test_each_release_fits_the_palette_and_documents_its_inputs(twin: dict[str, Any], palette: dict[str, Any]) -> None:
    release = Library().resolve(twin["extra"]["mintmark"]["workflow"])
    # Files of models are what a worker has; the recording's had none, and its combos offer none.
    files = {each.file for each in release.requires.models}
    lacking = {
        (node_id, name)
        for node_id, node in release.graph.items()
        for name, value in node["inputs"].items()
        if isinstance(value, str) and value in files
    }
    bound = {(bind.node, bind.input): f"inputs.{spec.name}" for spec in release.inputs for bind in spec.binds}
    expected = {bound.get(each, f"graph.{each[0]}.inputs.{each[1]}") for each in lacking}
    assert {each.where for each in validate(release, palette)} <= expected
    assert release.title and release.description and release.inputs
    assert all(spec.title and spec.description for spec in release.inputs)


def test_the_twin_is_the_newest_release(twin: dict[str, Any], palette: dict[str, Any]) -> None:
    names = twin["extra"]["mintmark"]
    release = Library().resolve(names["workflow"])
    assert names["version"] == release.version
    page, released = (without_defaults(each, palette) for each in (as_api(twin, palette), release.graph))
    assert page == released


def test_the_links_of_the_twin_hold_from_both_ends(twin: dict[str, Any]) -> None:
    nodes = {node["id"]: node for node in twin["nodes"]}
    for number, source, output, target, slot, kind in twin["links"]:
        given, taken = nodes[source]["outputs"][output], nodes[target]["inputs"][slot]
        assert number in given["links"]
        assert taken["link"] == number
        assert given["type"] in (kind, "*")
        assert taken["type"] in (kind, "*")
    ends = [each["link"] for node in twin["nodes"] for each in node["inputs"] if each["link"]]
    starts = [number for node in twin["nodes"] for each in node["outputs"] for number in each["links"] or ()]
    assert sorted(ends) == sorted(starts) == [link[0] for link in twin["links"]]
    assert twin["last_link_id"] == max(ends)
    assert twin["last_node_id"] == max(nodes)


def test_the_outputs_of_the_twin_are_those_of_its_nodes(twin: dict[str, Any], palette: dict[str, Any]) -> None:
    for node in twin["nodes"]:
        if node["type"] not in ONLY_ON_THE_PAGE:
            assert [each["type"] for each in node["outputs"]] == palette[node["type"]]["output"]
            assert [each["name"] for each in node["outputs"]] == palette[node["type"]]["output_name"]


def _box(node: dict[str, Any]) -> tuple[float, float, float, float]:
    (left, top), (width, height) = node["pos"], node["size"]
    return left, top - 30, left + width, top + height  # a node's title stands above its position


def test_no_two_nodes_of_the_twin_overlap_and_links_run_forward(twin: dict[str, Any]) -> None:
    boxes = {node["id"]: _box(node) for node in twin["nodes"]}
    pairs = [(a, b) for one, a in boxes.items() for other, b in boxes.items() if one < other]
    assert not [(a, b) for a, b in pairs if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]]
    for _, source, _, target, *_ in twin["links"]:
        # To the right, or straight down in the same column.
        assert boxes[source][2] <= boxes[target][0] or boxes[source][3] <= boxes[target][1]


def test_every_working_node_of_the_twin_stands_in_one_group(twin: dict[str, Any]) -> None:
    for node in twin["nodes"]:
        left, top, right, bottom = _box(node)
        around = [
            group["title"]
            for group in twin["groups"]
            for x, y, width, height in [group["bounding"]]
            if x <= left and y <= top and right <= x + width and bottom <= y + height
        ]
        assert len(around) == (0 if node["type"] in ONLY_ON_THE_PAGE else 1), node["title"]


def test_the_note_helps_in_three_lines(twin: dict[str, Any]) -> None:
    (note,) = [node for node in twin["nodes"] if node["type"] == "Note"]
    assert len(note["widgets_values"][0].splitlines()) == 3


def test_a_graph_in_ui_format_is_told_from_a_workflow(twin: dict[str, Any]) -> None:
    assert is_ui_format(twin)
    with pytest.raises(InvalidWorkflow, match=r"mine\.json is a graph in ComfyUI's UI format") as caught:
        parse(json.dumps(twin), "mine.json")
    assert "Export (API)" in caught.value.hint
    assert "comfy run" in caught.value.hint


def test_a_bare_graph_in_api_format_is_told_from_a_workflow() -> None:
    graph = Library().resolve("text-to-image").graph
    assert is_api_format(graph)
    with pytest.raises(InvalidWorkflow, match="bare graph in API format") as caught:
        parse(json.dumps(graph), "mine.json")
    assert '"graph"' in caught.value.hint


@pytest.mark.parametrize(
    "data", [None, [], {}, "nodes", {"nodes": {}}, {"nodes": [], "graph": {}}, {"nodes": [1], "links": []}]
)
def test_other_json_is_neither(data: Any) -> None:
    assert not is_ui_format(data)
    assert not is_api_format(data)


def test_a_workflow_file_is_neither() -> None:
    document = Library().resolve("text-to-image").document()
    assert not is_ui_format(document)
    assert not is_api_format(document)
