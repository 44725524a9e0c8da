from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from mintmark.workflows.diff import Change, diff
from mintmark.workflows.format import WorkflowVersion

Edit = Callable[[dict[str, Any]], Any]


def changed(document: dict[str, Any], edit: Edit) -> list[tuple[str, str, Any, Any]]:
    after = copy.deepcopy(document)
    edit(after)
    found = diff(WorkflowVersion.model_validate(document), WorkflowVersion.model_validate(after))
    return [(each.kind, each.where, each.before, each.after) for each in found]


def spec(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in document["inputs"] if each["name"] == name)


def _replace_node(document: dict[str, Any]) -> None:
    document["graph"]["77"] = {**document["graph"].pop("10"), "class_type": "OtherSave"}
    document["outputs"][0]["node"] = "77"


def renumbered(document: dict[str, Any], number: Callable[[str], str]) -> None:
    """Every node under another id, and everything that speaks of it."""
    document["graph"] = {
        number(node_id): {
            **node,
            "inputs": {
                name: [number(value[0]), *value[1:]] if isinstance(value, list) else value
                for name, value in node["inputs"].items()
            },
        }
        for node_id, node in reversed(document["graph"].items())
    }
    for each in document["outputs"]:
        each["node"] = number(each["node"])
    for each in document["inputs"]:
        for bind in (*each["binds"], *([each["choices_from"]] if each.get("choices_from") else [])):
            bind["node"] = number(bind["node"])


CASES: dict[str, tuple[Edit, list[tuple[str, str, Any, Any]]]] = {
    "a node more": (
        lambda d: d["graph"].update({"50": {"class_type": "Blur", "inputs": {}}}),
        [("node_added", "graph.50", None, "Blur")],
    ),
    "another node in its place": (
        _replace_node,
        [
            ("output", "outputs.images", "images of 10", "images of 77"),
            ("node_removed", "graph.10", "Save", None),
            ("node_added", "graph.77", None, "OtherSave"),
        ],
    ),
    "a node of another class": (
        lambda d: d["graph"]["5"].update(class_type="OtherSampler"),
        [("node_class", "graph.5", "Sampler", "OtherSampler")],
    ),
    "a link elsewhere": (
        lambda d: d["graph"]["10"]["inputs"].update(images=["3", 0]),
        [("rewired", "graph.10.inputs.images", ["5", 0], ["3", 0])],
    ),
    "a link in place of a value": (
        lambda d: d["graph"]["5"]["inputs"].update(steps=["3", 1]),
        [("rewired", "graph.5.inputs.steps", 20, ["3", 1])],
    ),
    "a value": (
        lambda d: d["graph"]["10"]["inputs"].update(prefix="x"),
        [("value", "graph.10.inputs.prefix", None, "x")],
    ),
    "true is no one": (
        lambda d: d["graph"]["10"]["inputs"].update(flag=True),
        [("value", "graph.10.inputs.flag", None, True)],
    ),
    "an input less": (
        lambda d: d["inputs"].remove(spec(d, "tiled")),
        [("input_removed", "inputs.tiled", "boolean", None)],
    ),
    "an input more": (
        lambda d: d["inputs"].append({**spec(d, "tiled"), "name": "tiling"}),
        [("input_added", "inputs.tiling", None, "boolean")],
    ),
    "another default": (
        lambda d: (spec(d, "steps").update(default=30), d["graph"]["5"]["inputs"].update(steps=30)),
        [("input_default", "inputs.steps", 20, 30)],
    ),
    "other limits": (
        lambda d: spec(d, "steps").update(limits={"min": 2, "max": 40}),
        [("input_limits", "inputs.steps", {"min": 2, "max": 50, "step": 2}, {"min": 2, "max": 40})],
    ),
    "another type": (
        lambda d: spec(d, "seed").update(type="integer"),
        [("input_type", "inputs.seed", "seed", "integer")],
    ),
    "no longer required": (
        lambda d: spec(d, "prompt").update(required=False),
        [("input_required", "inputs.prompt", True, False)],
    ),
    "bound elsewhere": (
        lambda d: spec(d, "prompt").update(binds=[{"node": "2", "input": "text"}]),
        [("input_binds", "inputs.prompt", ["2.text", "9.text"], ["2.text"])],
    ),
    "choices of another": (
        lambda d: spec(d, "checkpoint").pop("choices_from"),
        [("input_choices", "inputs.checkpoint", {"node": "1", "input": "ckpt_name"}, None)],
    ),
    "another pack": (
        lambda d: d["requires"]["packs"][0].update(version="^2"),
        [
            (
                "requires",
                "requires.packs",
                [{"name": "samplers", "version": "^1.2", "nodes": ["Sampler"]}],
                [{"name": "samplers", "version": "^2", "nodes": ["Sampler"]}],
            )
        ],
    ),
    "an output more": (
        lambda d: d["outputs"].append({"name": "text", "node": "2", "kind": "text"}),
        [("output_added", "outputs.text", None, "text of 2")],
    ),
    "another lane": (lambda d: d.update(lane="hosted"), [("lane", "lane", "gpu", "hosted")]),
}


@pytest.mark.parametrize("name", CASES)
def test_each_difference_is_told_once_with_both_sides(document: dict[str, Any], name: str) -> None:
    edit, expected = CASES[name]
    assert changed(document, edit) == expected


@pytest.mark.parametrize("name", CASES)
def test_and_the_other_way_round(document: dict[str, Any], name: str) -> None:
    after = copy.deepcopy(document)
    CASES[name][0](after)
    there = diff(WorkflowVersion.model_validate(document), WorkflowVersion.model_validate(after))
    back = diff(WorkflowVersion.model_validate(after), WorkflowVersion.model_validate(document))
    assert {(each.where, str(each.before), str(each.after)) for each in there} == {
        (each.where, str(each.after), str(each.before)) for each in back
    }


def test_how_a_file_is_written_is_no_difference(document: dict[str, Any]) -> None:
    def edit(after: dict[str, Any]) -> None:
        after.update(title="Another title", description="More words", version="9.9.9")
        after["graph"] = dict(reversed(after["graph"].items()))
        after["inputs"].reverse()
        for node in after["graph"].values():
            node["_meta"] = {"title": "moved"}
        spec(after, "prompt").update(title="Words", description="Say it")

    assert changed(document, edit) == []


def test_nodes_that_were_merely_renumbered_are_the_same(document: dict[str, Any]) -> None:
    assert changed(document, lambda after: renumbered(after, lambda node_id: f"{node_id}00")) == []


def test_what_else_was_changed_is_told_of_the_older_id(document: dict[str, Any]) -> None:
    def edit(after: dict[str, Any]) -> None:
        renumbered(after, lambda node_id: node_id if node_id == "5" else f"{node_id}00")
        after["graph"]["5"]["inputs"]["images"] = ["300", 0]
        spec(after, "steps").update(default=30)
        after["graph"]["5"]["inputs"]["steps"] = 30

    assert changed(document, edit) == [
        ("input_default", "inputs.steps", 20, 30),
        ("rewired", "graph.5.inputs.images", None, ["3", 0]),
    ]


def test_nodes_that_differ_in_their_public_input_alone_are_not_taken_for_each_other(document: dict[str, Any]) -> None:
    def edit(after: dict[str, Any]) -> None:
        renumbered(after, lambda node_id: f"{node_id}00")
        after["graph"]["500"]["inputs"]["positive"] = ["900", 0]

    spec(document, "prompt")["binds"].pop()
    document["inputs"].append({**spec(document, "prompt"), "name": "less", "binds": [{"node": "9", "input": "text"}]})
    nodes = {where for kind, where, *_ in changed(document, edit) if kind in ("node_removed", "node_added")}
    assert nodes == {"graph.5", "graph.500", "graph.10", "graph.1000"}


def test_a_circle_is_compared_by_its_ids(document: dict[str, Any]) -> None:
    def edit(after: dict[str, Any]) -> None:
        renumbered(after, lambda node_id: f"{node_id}00")
        after["graph"]["500"]["inputs"]["again"] = ["1000", 0]

    assert {kind for kind, *_ in changed(document, edit)} >= {"node_removed", "node_added"}


def test_a_difference_is_told_in_words_and_as_json(document: dict[str, Any]) -> None:
    change = Change("input_default", "inputs.steps", 20, 30)
    assert str(change) == "inputs.steps: default: was 20, is 30"
    assert change.as_dict() == {"kind": "input_default", "where": "inputs.steps", "before": 20, "after": 30}
    limits = {"minimum": 64, "maximum": 2048}, {"minimum": 64, "maximum": 4096}
    link = Change("rewired", "graph.5.inputs.image", ["4", 0], None)
    models = [{"name": "a.safetensors", "folder": "loras"}, {"name": "b.safetensors", "folder": "loras"}]
    assert [str(each).partition(": ")[2] for each in (
        Change("input_limits", "inputs.width", *limits),
        link,
        Change("value", "graph.5.inputs.on", False, True),
        Change("requires", "requires.models", models[:1], models),
    )] == [
        "limits: were maximum 2048, are maximum 4096",
        "was output 0 of node 4, is nothing",
        "was false, is true",
        'was nothing, is name "b.safetensors", folder "loras"',
    ]  # fmt: skip
    for edit, _ in CASES.values():
        after = copy.deepcopy(document)
        edit(after)
        for each in diff(WorkflowVersion.model_validate(document), WorkflowVersion.model_validate(after)):
            assert str(each).startswith(f"{each.where}: ")
