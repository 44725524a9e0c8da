from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from mintmark.workflows.bind import bind
from mintmark.workflows.format import WorkflowVersion
from mintmark.workflows.library import Library
from mintmark.workflows.object_info import LATE, Slot, slots
from mintmark.workflows.validate import literal_problem, missing_nodes, offered, validate

CASES = json.loads((Path(__file__).parent / "recorded" / "verdicts.json").read_text())["cases"]
STRICTER = {
    # ComfyUI 0.33 looks at no dynamic combo's own value, casts numbers to texts, and lets a literal stand for a link.
    "model nobody offers",
    "number for a text",
    "literal where a link belongs",
}


@pytest.fixture
def shipped() -> WorkflowVersion:
    return Library().resolve("text-to-image")


def _with(version: WorkflowVersion, **changes: Any) -> WorkflowVersion:
    return WorkflowVersion.model_validate({**copy.deepcopy(version.document()), **changes})


@pytest.mark.parametrize("case", CASES, ids=[each["case"] for each in CASES])
def test_a_graph_is_refused_exactly_where_comfyui_refuses_it(
    case: dict[str, Any], shipped: WorkflowVersion, object_info: dict[str, Any]
) -> None:
    problems = validate(_with(shipped, graph=case["graph"], inputs=[]), object_info)
    # A foreign graph has no node 5 or 6 that is an output; only its nodes are judged here.
    problems = [each for each in problems if not each.where.startswith("outputs.")]
    assert bool(problems) == (bool(case["errors"]) or case["case"] in STRICTER), problems


def test_the_stricter_cases_are_really_stricter() -> None:
    assert {each["case"] for each in CASES if not each["errors"]} >= STRICTER


def test_the_shipped_workflow_fits_its_worker(shipped: WorkflowVersion, object_info: dict[str, Any]) -> None:
    assert validate(shipped, object_info) == []
    assert missing_nodes(shipped, object_info) == []


def test_a_worker_without_the_pack_is_told_which_pack_it_lacks(shipped: WorkflowVersion) -> None:
    problems = validate(shipped, {})
    assert missing_nodes(shipped, {}) == sorted(shipped.requires.nodes)
    assert len(problems) == len(shipped.requires.nodes)
    assert {each.fix for each in problems} == {"install the node pack mintmark >=0.1.0 on the worker"}


def test_a_missing_node_of_unknown_origin_blames_no_pack(shipped: WorkflowVersion, object_info: dict[str, Any]) -> None:
    graph = {**shipped.graph, "9": {"class_type": "Elsewhere", "inputs": {}}}
    (problem,) = validate(_with(shipped, graph=graph), object_info)
    assert (problem.message, problem.fix) == ("the worker has no node Elsewhere", "install the node pack it comes from")


def test_a_bound_value_out_of_the_nodes_range_is_told_as_the_public_input(
    shipped: WorkflowVersion, object_info: dict[str, Any]
) -> None:
    object_info = copy.deepcopy(object_info)
    object_info["MintmarkTextToImage"]["input"]["required"]["width"][1]["max"] = 2048
    assert validate(shipped, object_info) == []
    (problem,) = validate(shipped, object_info, bind(shipped, {"width": 4096}).graph)
    assert problem.where == "inputs.width"
    assert problem.message == "MintmarkTextToImage: 4096 is above the node's maximum of 2048"


def test_a_default_the_node_does_not_take_is_told(shipped: WorkflowVersion, object_info: dict[str, Any]) -> None:
    object_info = copy.deepcopy(object_info)
    options = object_info["MintmarkTextToImage"]["input"]["required"]["model"][1]["options"]
    options[:] = [each for each in options if each["key"] == "openai/gpt-image-2"]
    (problem,) = validate(shipped, object_info)
    assert problem.where == "inputs.model"
    assert "'fal/flux-schnell' is none of the worker's choices" in problem.message
    assert problem.fix == "choose one of openai/gpt-image-2"


def test_a_binding_to_an_input_the_node_lost_is_told(shipped: WorkflowVersion, object_info: dict[str, Any]) -> None:
    object_info = copy.deepcopy(object_info)
    del object_info["MintmarkTextToImage"]["input"]["optional"]["negative_prompt"]
    (problem,) = validate(shipped, object_info)
    assert problem.where == "inputs.negative_prompt"
    assert "the node has no such input" in problem.message


def test_an_output_must_come_from_an_output_node(shipped: WorkflowVersion, object_info: dict[str, Any]) -> None:
    (problem,) = validate(_with(shipped, outputs=[{"name": "raw", "node": "2", "kind": "images"}]), object_info)
    assert problem.where == "outputs.raw"
    assert "MintmarkTextToImage is no output node" in problem.message


def test_everything_is_told_at_once(shipped: WorkflowVersion, object_info: dict[str, Any]) -> None:
    graph = copy.deepcopy(bind(shipped, {"width": 64}).graph)
    graph["2"]["inputs"].update(width=1, height=99999, extra=1)
    graph["4"]["inputs"]["verdict"] = ["2", 1]
    wheres = {each.where for each in validate(shipped, object_info, graph)}
    assert wheres == {"inputs.width", "inputs.height", "graph.2.inputs.extra", "graph.4.inputs.verdict"}


@pytest.mark.parametrize("name", ["mintmark/boat.png", "boat.png [output]"])
def test_a_file_that_no_worker_lists_is_the_workers_to_find(name: str) -> None:
    slot = Slot(frozenset({"COMBO"}), choices=("a.png",), file=True)
    assert literal_problem(name, slot) is None
    assert literal_problem("boat.png", slot) is not None


def test_a_file_that_will_only_be_uploaded_is_not_missed(document: dict[str, Any], object_info: dict[str, Any]) -> None:
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "placeholder.png"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    }
    source = {"name": "source", "title": "Source", "type": "image", "binds": [{"node": "1", "input": "image"}]}
    outputs = [{"name": "images", "node": "2", "kind": "images"}]
    version = WorkflowVersion.model_validate({**document, "graph": graph, "inputs": [source], "outputs": outputs})
    assert validate(version, object_info) == []
    assert [each.where for each in validate(_with(version, inputs=[]), object_info)] == ["graph.1.inputs.image"]


def test_what_the_worker_offers_is_told_by_input(shipped: WorkflowVersion, object_info: dict[str, Any]) -> None:
    models = offered(shipped, object_info)["model"]
    assert models[0] == "fal/flux-schnell"
    assert "openai/gpt-image-2" in models
    assert offered(shipped, object_info).keys() == {"model"}
    assert offered(shipped, {}) == {}


def test_a_file_that_a_node_judges_when_it_runs_is_left_to_it() -> None:
    choices = ["COMBO", {"options": ["a.safetensors"], LATE: True}]
    slot = slots({"input": {"required": {"checkpoint": choices}}}, {})["checkpoint"]
    assert literal_problem("b.safetensors", slot) is None
    assert literal_problem(7, slot) is not None
