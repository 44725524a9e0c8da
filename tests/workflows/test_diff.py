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
    document["graph"]["77"] = document["graph"].pop("10")
    document["outputs"][0]["node"] = "77"


CASES: dict[str, tuple[Edit, list[tuple[str, str, Any, Any]]]] = {
    "a node more": (
        lambda d: d["graph"].update({"50": {"class_type": "Blur", "inputs": {}}}),
        [("node_added", "graph.50", None, "Blur")],
    ),
    "a node under another id": (
        _replace_node,
        [
            ("output", "outputs.images", "images of 10", "images of 77"),
            ("node_removed", "graph.10", "Save", None),
            ("node_added", "graph.77", None, "Save"),
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


def test_a_difference_is_told_in_words_and_as_json(document: dict[str, Any]) -> None:
    change = Change("input_default", "inputs.steps", 20, 30)
    assert str(change) == "inputs.steps: default: was 20, is 30"
    assert change.as_dict() == {"kind": "input_default", "where": "inputs.steps", "before": 20, "after": 30}
    for edit, _ in CASES.values():
        after = copy.deepcopy(document)
        edit(after)
        for each in diff(WorkflowVersion.model_validate(document), WorkflowVersion.model_validate(after)):
            assert str(each).startswith(f"{each.where}: ")
