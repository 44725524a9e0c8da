from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mintmark.workflows.format import WorkflowVersion

RECORDED = Path(__file__).parent / "recorded"

DOCUMENT: dict[str, Any] = {
    "format": 1,
    "name": "poster",
    "version": "1.2.0",
    "title": "Poster",
    "lane": "gpu",
    "inputs": [
        {
            "name": "prompt",
            "title": "Prompt",
            "type": "string",
            "required": True,
            "limits": {"min_length": 1, "max_length": 20},
            "binds": [{"node": "2", "input": "text"}, {"node": "9", "input": "text"}],
        },
        {
            "name": "steps",
            "title": "Steps",
            "type": "integer",
            "default": 20,
            "limits": {"min": 2, "max": 50, "step": 2},
            "binds": [{"node": "5", "input": "steps"}],
        },
        {
            "name": "strength",
            "title": "Strength",
            "type": "number",
            "default": 0.5,
            "limits": {"min": 0.0, "max": 1.0, "step": 0.1},
            "binds": [{"node": "5", "input": "denoise"}],
        },
        {
            "name": "tiled",
            "title": "Tiled",
            "type": "boolean",
            "default": False,
            "binds": [{"node": "5", "input": "tiled"}],
        },
        {
            "name": "sampler",
            "title": "Sampler",
            "type": "choice",
            "default": "euler",
            "limits": {"choices": ["euler", "dpmpp"]},
            "binds": [{"node": "5", "input": "sampler"}],
        },
        {
            "name": "checkpoint",
            "title": "Checkpoint",
            "type": "choice",
            "default": "base.safetensors",
            "choices_from": {"node": "1", "input": "ckpt_name"},
            "binds": [{"node": "1", "input": "ckpt_name"}],
        },
        {"name": "seed", "title": "Seed", "type": "seed", "default": 7, "binds": [{"node": "5", "input": "seed"}]},
        {"name": "source", "title": "Source", "type": "image", "binds": [{"node": "3", "input": "image"}]},
    ],
    "outputs": [{"name": "images", "node": "10", "kind": "images"}],
    "requires": {
        "nodes": ["Checkpoint", "Encode", "LoadImage", "Sampler", "Save"],
        "packs": [{"name": "samplers", "version": "^1.2", "nodes": ["Sampler"]}],
        "models": [{"file": "base.safetensors", "folder": "checkpoints", "sha256": "ab" * 32}],
    },
    "graph": {
        "10": {"class_type": "Save", "inputs": {"images": ["5", 0]}},
        "1": {"class_type": "Checkpoint", "inputs": {"ckpt_name": "base.safetensors"}},
        "2": {"class_type": "Encode", "inputs": {"text": "", "clip": ["1", 1]}, "_meta": {"title": "Positive"}},
        "9": {"class_type": "Encode", "inputs": {"clip": ["1", 1], "text": ""}},
        "3": {"class_type": "LoadImage", "inputs": {"image": "placeholder.png"}},
        "5": {
            "class_type": "Sampler",
            "inputs": {
                "model": ["1", 0],
                "positive": ["2", 0],
                "pixels": ["3", 0],
                "steps": 20,
                "denoise": 0.5,
                "tiled": False,
                "sampler": "euler",
                "seed": 7,
            },
        },
    },
}
"""A workflow with an input of every type; node ids are in no particular order, as in real files."""


@pytest.fixture
def document() -> dict[str, Any]:
    return copy.deepcopy(DOCUMENT)


@pytest.fixture
def version(document: dict[str, Any]) -> WorkflowVersion:
    return WorkflowVersion.model_validate(document)


@pytest.fixture(scope="session")
def object_info() -> dict[str, Any]:
    """What ComfyUI 0.33 said of nodes with the palette's schemas and of some of its own, texts for people left out."""
    return json.loads((RECORDED / "object_info.json").read_text())["object_info"]


@pytest.fixture(scope="session")
def palette() -> dict[str, Any]:
    """What ComfyUI 0.33 says of our nodes, and of its own that the runner has, too."""
    tests = Path(__file__).parents[1]
    files = (tests / "runner" / "recorded" / "object_info.json", tests / "recorded" / "object_info.json")
    return {name: info for file in files for name, info in json.loads(file.read_text("utf-8"))["answers"].items()}


@pytest.fixture
def publish(tmp_path: Path) -> Callable[..., Path]:
    """Write a document into a library folder, by default where it says it belongs; returns the file."""

    def write(document: dict[str, Any], folder: str = "mine", at: str | None = None) -> Path:
        file = tmp_path / folder / (at or f"{document['name']}/{document['version']}.json")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document))
        return file

    return write
