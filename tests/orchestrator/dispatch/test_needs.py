"""What a job needs, read from its graph."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from mintmark.orchestrator.dispatch.needs import ASSUMED_SIZE, Needs, choices_of, files_of, needs_of, work_of
from mintmark.orchestrator.jobs.base import Ready
from mintmark.orchestrator.jobs.queueing import LARGE
from mintmark.workflows.format import WorkflowVersion

from ..made_jobs import job
from .gpu import GIB
from .painters import MODELS, PAINTING

NOON = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)


def painting(**values: Any) -> Needs:
    return needs_of(WorkflowVersion.model_validate(PAINTING), values, {MODELS[0]: 7 * GIB}.get)


def ready(lane: str = "gpu") -> Ready:
    return Ready(job(NOON, lane="gpu"), lane)


def test_files_are_the_inputs_that_name_a_model_without_their_folders() -> None:
    graph = {
        "1": {"class_type": "A", "inputs": {"ckpt_name": "sdxl\\base.SAFETENSORS", "text": "a .ckpt of mine", "n": 4}},
        "2": {"class_type": "B", "inputs": {"lora": "x/y/line.safetensors", "from": ["1", 0], "unet": "flux.gguf"}},
        "3": {"class_type": "C"},
    }
    assert files_of(graph) == {"base.SAFETENSORS", "line.safetensors", "flux.gguf"}


def test_a_checkpoint_that_is_a_folder_counts_too_where_it_is_sampled() -> None:
    pipeline = {"class_type": "MintmarkLoadPipeline", "inputs": {"checkpoint": "brand/flux-klein"}}
    graph = {
        "p": pipeline,
        "l": {"class_type": "MintmarkLoadLora", "inputs": {"pipeline": ["p", 0], "lora": "brand.safetensors"}},
        "s": {"class_type": "MintmarkLocalSample", "inputs": {"pipeline": ["l", 0]}},
        "t": {"class_type": "MintmarkTextToImage", "inputs": {"model": "local/sdxl-turbo"}},
        "h": {"class_type": "MintmarkTextToImage", "inputs": {"model": "fal/flux-schnell"}},
    }
    assert files_of(graph) == {"flux-klein", "brand.safetensors", "sdxl-turbo"}


def test_what_a_worker_lets_choose_is_named_as_what_graphs_load() -> None:
    info = {
        "CheckpointLoaderSimple": {"input": {"required": {"ckpt_name": [["sdxl\\base.safetensors", "none"], {}]}}},
        "LoraLoader": {"input": {"optional": {"lora": ["COMBO", {"options": ["x/line.SAFETENSORS"]}]}}},
        "MintmarkLoadPipeline": {"input": {"required": {"checkpoint": [["brand/flux-klein"], {}]}}},
        "MintmarkTextToImage": {
            "input": {"required": {"model": ["COMFY_DYNAMICCOMBO_V3", {"options": [{"key": "local/turbo"}]}]}}
        },
        "Odd": {},
    }
    assert choices_of(info) == {"base.safetensors", "line.SAFETENSORS", "flux-klein", "turbo"}
    assert choices_of({}) == frozenset()


def test_only_what_some_worker_lists_keeps_others_from_the_job() -> None:
    needs = Needs(files=frozenset({"a.pt", "b.pt"}))
    assert work_of(ready(), needs, load_rate=1.0).listed == frozenset()
    assert work_of(ready(), needs, load_rate=1.0, choices=frozenset({"b.pt", "c.pt"})).listed == {"b.pt"}


def test_values_decide_which_files_and_classes_come_from_the_graph() -> None:
    assert (painting().files, painting().classes) == ({MODELS[0]}, {"Draw", "Save"})
    assert painting(model=MODELS[3]).files == {MODELS[3]}


def test_values_that_cannot_be_bound_are_left_to_whoever_runs_the_job() -> None:
    assert painting(model=7, nonsense=1).files == {MODELS[0]}


def test_jobs_are_of_one_shape_where_no_node_could_tell_them_apart() -> None:
    asked = {"name": "words", "title": "W", "type": "string", "binds": [{"node": "1", "input": "text"}]}
    workflow = WorkflowVersion.model_validate({**PAINTING, "inputs": [*PAINTING["inputs"], asked]})
    shapes = [needs_of(workflow, {"words": text, "model": MODELS[1]}).shape for text in ("a cat", "a dog")]
    assert shapes[0] == shapes[1] == needs_of(workflow, {"model": MODELS[1]}).shape
    others = [{"model": MODELS[2]}, {}, {"model": MODELS[1], "model.steps": 4}]
    assert len({shapes[0], *(needs_of(workflow, each).shape for each in others)}) == 4
    assert needs_of(workflow, {"model": MODELS[1]}, images=["source"]).shape != shapes[0]
    assert painting(model=MODELS[1]).shape != shapes[0], "of another workflow"


def test_a_picture_that_is_to_be_uploaded_is_no_reason_not_to_know() -> None:
    picture = {"name": "source", "title": "S", "type": "image", "required": True}
    asked = {**picture, "binds": [{"node": "1", "input": "text"}]}
    workflow = WorkflowVersion.model_validate({**PAINTING, "inputs": [*PAINTING["inputs"], asked]})
    assert needs_of(workflow, {"model": MODELS[2]}, lambda file: None).files == {MODELS[2]}


def test_what_is_to_be_loaded_is_as_large_as_the_files_and_unknown_ones_count_as_usual() -> None:
    assert painting().size == 7 * GIB
    assert painting(model=MODELS[1]).size == ASSUMED_SIZE
    assert Needs().size == 0


def test_its_largest_file_is_what_a_job_needs_unless_nobody_has_so_much() -> None:
    assert work_of(ready(), painting(), load_rate=GIB, most_memory=24 * GIB).vram == 7 * GIB
    assert work_of(ready(), painting(), load_rate=GIB, most_memory=6 * GIB).vram == 0


def test_what_was_too_large_elsewhere_goes_where_there_is_most() -> None:
    work = work_of(ready(LARGE), painting(), load_rate=GIB, most_memory=80 * GIB)
    assert (work.vram, work.lane) == (80 * GIB, "gpu")


def test_a_job_s_waiting_is_on_it() -> None:
    facts = {"passed_over_s": 2, "slack_s": 9, "avoid": frozenset({"w"})}
    work = work_of(ready(), painting(), load_rate=2 * GIB, run_s=4, **facts)  # type: ignore[arg-type]
    assert (work.passed_over_s, work.slack_s, work.avoid) == (2, 9, {"w"})
    assert (work.files, work.load_s, work.run_s) == ({MODELS[0]}, pytest.approx(3.5), 4)
