"""A workflow that asks a hosted model becomes one that samples the same weights here."""

from __future__ import annotations

import copy
import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from mintmark.generation.repatriating import asking, fits, lost_here, repatriate
from mintmark.providers.local_model import LocalModel, local_model
from mintmark.providers.model import Model
from mintmark.providers.models import Catalog
from mintmark.workflows.check import check
from mintmark.workflows.diff import diff
from mintmark.workflows.format import WorkflowVersion
from mintmark.workflows.library import Library
from mintmark.workflows.reading import parse

from .own_device import row

FILE = "FLUX.1-schnell"


def local(**more: Any) -> LocalModel:
    facts = row(f"local/{FILE}", negative_prompt=False, sizes={"min": 64, "max": 4096, "multiple_of": 16}, **more)
    return local_model(facts, Decimal(1_200_000), date(2026, 11, 21))


def hosted(name: str = "fal/flux-schnell") -> Model:
    return Catalog.load().known(name)


def workflow(name: str = "text-to-image", **inputs: Any) -> WorkflowVersion:
    """A shipped workflow, with these inputs of its first node that has a model; bound ones are their defaults, too."""
    document = {**copy.deepcopy(Library(()).resolve(name).document()), "version": "1.0.0"}
    node_id = next(each for each, node in document["graph"].items() if "model" in node["inputs"])
    document["graph"][node_id]["inputs"].update(inputs)
    for spec in document["inputs"]:
        bound = [bind["input"] for bind in spec["binds"] if bind["node"] == node_id]
        if bound and bound[0] in inputs and spec.get("default") is not None:
            spec["default"] = inputs[bound[0]]
    return parse(json.dumps(document), "a test")


def made(version: WorkflowVersion, model: Model | None = None, own: LocalModel | None = None, **more: Any) -> Any:
    return repatriate(version, model or hosted(), own or local(), folder="diffusers", **more)


def node_of(version: WorkflowVersion) -> dict[str, Any]:
    return next(node["inputs"] for node in version.graph.values() if "model" in node["inputs"])


def test_the_next_minor_version_asks_the_local_model_and_is_sound() -> None:
    before = workflow()
    result = made(before)
    after = result.version
    assert check(after) == []
    assert (after.name, after.version, after.lane) == (before.name, "1.1.0", "gpu")
    assert node_of(after)["model"] == f"local/{FILE}"
    assert [(file.file, file.folder) for file in after.requires.models] == [(FILE, "diffusers")]
    assert result.lost == []
    told = {str(change) for change in diff(before, after)}
    assert f'inputs.model: default: was "fal/flux-schnell", is "local/{FILE}"' in told
    assert 'lane: was "hosted", is "gpu"' in told


def test_the_version_before_is_not_touched() -> None:
    before = workflow(**{"model.acceleration": "high"})
    digest = before.digest
    made(before)
    assert WorkflowVersion.model_validate(before.document()).digest == digest
    assert node_of(before)["model"] == "fal/flux-schnell"


def test_parameters_that_mean_the_same_stay_and_vendor_only_ones_are_lost_by_name() -> None:
    result = made(workflow(**{"model.steps": 6, "model.guidance": 3.5, "model.acceleration": "high"}))
    after = node_of(result.version)
    assert (after["model.steps"], after["model.guidance"]) == (6, 3.5)
    assert "model.acceleration" not in after
    assert [(each.where.rpartition(".inputs.")[2], each.value) for each in result.lost] == [
        ("model.acceleration", "high")
    ]
    mapped = {each.where.rpartition(".inputs.")[2] for each in result.mapped}
    assert {"model.steps", "model.guidance", "width", "height"} <= mapped


def test_a_parameter_that_was_left_alone_is_no_loss() -> None:
    result = made(workflow(**{"model.steps": 0, "model.acceleration": "auto", "model.safety_checker": "auto"}))
    after = node_of(result.version)
    assert result.lost == []
    assert "model.acceleration" not in after and "model.safety_checker" not in after
    assert "model.steps" not in after, "left to the checkpoint"


def test_a_value_that_the_local_model_does_not_take_is_lost_and_told_why() -> None:
    model = hosted("replicate/flux-schnell")
    version = workflow(model="replicate/flux-schnell", **{"model.steps": 4})
    steps = {"type": "integer", "min": 1, "max": 3, "default": 2, "help": "Few."}
    result = made(version, model, local(parameters={**row("local/x")["parameters"], "steps": steps}))
    assert "model.steps" not in node_of(result.version)
    assert [(each.value, each.why) for each in result.lost] == [(4, "it lies outside 1 … 3")]


def test_sides_that_the_pipeline_cannot_make_are_rounded_up_and_told() -> None:
    result = made(workflow(width=1000, height=512))
    after = node_of(result.version)
    assert (after["width"], after["height"]) == (1008, 512)
    assert ("width", 1000, 1008) in {(each.where.rpartition(".")[2], each.value, each.became) for each in result.mapped}
    assert {spec.name: spec.default for spec in result.version.inputs}["width"] == 1008


def test_a_negative_prompt_is_lost_where_none_is_taken_and_its_words_are_not_told() -> None:
    model = hosted("huggingface/stable-diffusion-xl").model_copy(update={"negative_prompt": True})
    version = workflow(model=model.name, negative_prompt="my secret words")
    lost = made(version, model).lost
    assert [each.where.rpartition(".")[2] for each in lost] == ["negative_prompt"]
    assert "secret" not in repr(lost)
    assert made(version, model, local().model_copy(update={"negative_prompt": True})).lost == []


def test_a_task_that_is_not_sampled_here_stays_hosted() -> None:
    version = workflow("control-image")
    model = hosted(node_of(version)["model"])
    result = made(version, model)
    assert result.version is None
    assert [each.value for each in result.lost] == ["control"]
    assert "stays hosted" in result.lost[0].why


def test_every_node_that_asks_the_model_is_changed_and_no_other() -> None:
    version = workflow("prompt-ab-ranked")
    result = made(version)
    models = [node["inputs"]["model"] for node in result.version.graph.values() if "model" in node["inputs"]]
    assert models == [f"local/{FILE}"] * 2
    changed = {change.where.split(".")[1] for change in diff(version, result.version) if change.where[:5] == "graph"}
    assert changed <= set(asking(version, "fal/flux-schnell"))


def test_an_input_of_two_models_keeps_the_hosted_node() -> None:
    document = copy.deepcopy(Library(()).resolve("prompt-ab-ranked").document())
    second = [each for each, node in document["graph"].items() if "model" in node["inputs"]][1]
    document["graph"][second]["inputs"]["model"] = "fal/flux-dev"
    spec = next(each for each in document["inputs"] if each["name"] == "model")
    spec["binds"] = [bind for bind in spec["binds"] if bind["node"] != second]
    result = made(parse(json.dumps(document), "a test"))
    assert result.version.graph[second]["inputs"]["model"] == "fal/flux-dev"
    assert check(result.version) == []


def test_a_public_input_that_nothing_is_left_of_makes_it_a_major_version() -> None:
    document = copy.deepcopy(workflow(**{"model.acceleration": "high"}).document())
    node_id = next(each for each, node in document["graph"].items() if "model" in node["inputs"])
    fast = {"name": "speed", "title": "Speed", "type": "string", "default": "high"}
    document["inputs"].append({**fast, "binds": [{"node": node_id, "input": "model.acceleration"}]})
    result = made(parse(json.dumps(document), "a test"))
    assert result.version.version == "2.0.0"
    assert "speed" not in {spec.name for spec in result.version.inputs}
    assert "inputs.speed" in {each.where for each in result.lost}
    assert check(result.version) == []


def test_a_parameter_that_callers_set_goes_on_from_the_checkpoints_own_default() -> None:
    document = copy.deepcopy(workflow(**{"model.steps": 0}).document())
    node_id = next(each for each, node in document["graph"].items() if "model" in node["inputs"])
    steps = {"name": "steps", "title": "Steps", "type": "integer", "default": 0}
    document["inputs"].append({**steps, "binds": [{"node": node_id, "input": "model.steps"}]})
    result = made(parse(json.dumps(document), "a test"))
    assert {spec.name: spec.default for spec in result.version.inputs}["steps"] == 30
    assert (result.version.version, result.lost) == ("1.1.0", [])


def test_a_version_that_is_taken_is_not_taken_again() -> None:
    assert made(workflow(), taken={"1.0.0", "1.1.0", "1.2.0"}).version.version == "1.3.0"


def test_a_workflow_whose_callers_may_choose_the_model_is_rewritten_where_they_do() -> None:
    version = workflow(model="fal/flux-dev")
    assert asking(version, "fal/flux-schnell") == asking(version, "fal/flux-dev")
    assert node_of(made(version).version)["model"] == f"local/{FILE}"


def test_it_can_be_done_again_to_what_it_made() -> None:
    once = made(workflow()).version
    assert asking(once, "fal/flux-schnell") == [], "it asks no provider any more"
    assert made(once).version is None


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("steps", 30, ""),
        ("steps", 151, "it lies outside 1 … 150"),
        ("steps", True, "it is no number"),
        ("steps", "many", "it is no number"),
        ("scheduler", "euler", ""),
        ("scheduler", "magic", "it is none of auto, euler"),
        ("go_fast", "on", "the local pipeline has no such parameter"),
    ],
)
def test_a_value_fits_or_says_why_not(name: str, value: Any, why: str) -> None:
    assert fits(local().parameters.get(name), value) == why


def test_what_calls_asked_for_means_something_here_or_does_not() -> None:
    own = local()
    assert [lost_here(own, each) for each in ("steps", "seed", "width", "strength")] == [""] * 4
    assert lost_here(own, "delivery") and lost_here(own, "negative_prompt") and lost_here(own, "go_fast")
