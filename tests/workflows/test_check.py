from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mintmark.workflows.format import WorkflowVersion
from mintmark.workflows.validate import check

Edit = Callable[[dict[str, Any]], object]


def test_a_sound_file_has_no_problems(version: WorkflowVersion) -> None:
    assert check(version) == []


def _input(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in document["inputs"] if each["name"] == name)


@pytest.mark.parametrize(
    ("edit", "where", "message"),
    [
        (lambda d: d["inputs"].append(_input(d, "source")), "inputs.source", "used twice"),
        (lambda d: d["outputs"].append(d["outputs"][0]), "outputs.images", "used twice"),
        (lambda d: d["outputs"][0].update(node="77"), "outputs.images.node", "no node '77'"),
        (lambda d: _input(d, "steps")["binds"][0].update(node="77"), "inputs.steps.binds", "no node '77'"),
        (
            lambda d: _input(d, "steps")["binds"][0].update(input="stebs"),
            "inputs.steps.binds",
            "has no input 'stebs' (did you mean steps?)",
        ),
        (
            lambda d: _input(d, "source")["binds"][0].update(node="5", input="pixels"),
            "inputs.source.binds",
            "is a link",
        ),
        (lambda d: _input(d, "source")["binds"].append({"node": "5", "input": "seed"}), "inputs", "5.seed is bound 2"),
        (lambda d: _input(d, "steps").update(default=22), "inputs.steps.binds", "the graph holds 20"),
        (lambda d: _input(d, "tiled").update(default=True), "inputs.tiled.binds", "the graph holds False"),
        (lambda d: _input(d, "steps").update(default=21), "inputs.steps.default", "between two steps"),
        (lambda d: _input(d, "sampler").update(default="ddim"), "inputs.sampler.default", "none of its choices"),
        (lambda d: _input(d, "prompt").update(default="x"), "inputs.prompt.default", "no use for a default"),
        (
            lambda d: _input(d, "steps")["limits"].update(max_length=3),
            "inputs.steps.limits.max_length",
            "means nothing",
        ),
        (lambda d: _input(d, "steps")["limits"].update(min=60), "inputs.steps.limits", "minimum is above"),
        (lambda d: _input(d, "sampler").pop("limits"), "inputs.sampler", "needs its choices"),
        (
            lambda d: _input(d, "sampler").update(choices_from={"node": "5", "input": "sampler"}),
            "inputs.sampler",
            "needs its choices",
        ),
        (
            lambda d: _input(d, "seed").update(choices_from={"node": "5", "input": "seed"}),
            "inputs.seed.choices_from",
            "means nothing",
        ),
        (
            lambda d: _input(d, "checkpoint")["choices_from"].update(input="name"),
            "inputs.checkpoint.choices_from",
            "has no input 'name'",
        ),
        (lambda d: d["graph"]["10"]["inputs"].update(images=["6", 0]), "graph.10.inputs.images", "does not exist"),
        (lambda d: d["graph"]["10"]["inputs"].update(images=["5", -1]), "graph.10.inputs.images", "negative output"),
        (lambda d: d["graph"]["10"]["inputs"].update(images=[5, 0]), "graph.10.inputs.images", "a list is no link"),
        (lambda d: d["graph"]["1"]["inputs"].update(again=["5", 0]), "graph", "wait for each other"),
        (lambda d: d["graph"]["1"]["inputs"].update(me=["1", 0]), "graph", "1 → 1 wait for each other"),
        (lambda d: d["requires"]["nodes"].remove("Save"), "requires.nodes", "lacks Save"),
        (lambda d: d["requires"]["nodes"].append("Upscale"), "requires.nodes", "does not use Upscale"),
        (lambda d: d["requires"]["nodes"].append("Save"), "requires.nodes", "Save stands twice"),
        (lambda d: d["requires"]["packs"][0].update(nodes=["Other"]), "requires.packs.samplers.nodes", "not use Other"),
    ],
)
def test_a_contradiction_is_told_by_its_field(document: dict[str, Any], edit: Edit, where: str, message: str) -> None:
    edit(document)
    problems = check(WorkflowVersion.model_validate(document))
    assert [each for each in problems if each.where == where and message in each.message], problems
    assert all(each.fix for each in problems)


def test_an_integer_and_an_integral_float_are_the_same_default(document: dict[str, Any]) -> None:
    document["graph"]["5"]["inputs"]["denoise"] = 1.0
    _input(document, "strength")["default"] = 1
    assert check(WorkflowVersion.model_validate(document)) == []


def test_a_long_chain_of_nodes_is_no_cycle_and_no_overflow(document: dict[str, Any]) -> None:
    for at in range(100, 5000):
        document["graph"][str(at)] = {"class_type": "Encode", "inputs": {"clip": [str(at - 1) if at > 100 else "1", 0]}}
    assert check(WorkflowVersion.model_validate(document)) == []
