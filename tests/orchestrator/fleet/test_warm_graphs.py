"""Tiny graphs of a worker's own nodes: to load a file, to show that prompts run."""

from __future__ import annotations

from typing import Any

import pytest

from mintmark.orchestrator.fleet.warm_graphs import ready_graph, warm_graph

OLD = {
    "CheckpointLoaderSimple": {
        "input": {"required": {"ckpt_name": [["sdxl.safetensors", "sub/flux.safetensors"], {}]}},
        "output": ["MODEL", "CLIP", "VAE"],
    },
    "VAELoader": {
        "input": {"required": {"vae_name": ["COMBO", {"options": ["ae.safetensors"]}]}},
        "output": ["VAE"],
    },
    "UNETLoader": {
        "input": {
            "required": {
                "unet_name": ["COMBO", {"options": ["wan.safetensors"]}],
                "weight_dtype": ["COMBO", {"options": ["default", "fp8"]}],
            }
        },
        "output": ["MODEL"],
    },
    "LoraLoader": {
        "input": {"required": {"model": ["MODEL"], "lora_name": [["style.safetensors"], {}]}},
        "output": ["MODEL"],
    },
    "PreviewAny": {"input": {"required": {"source": ["*", {}]}}, "output": [], "output_node": True},
}
SAMPLING: dict[str, Any] = {
    **{
        name: {"input": {"required": {}}, "output": ["X"]}
        for name in ("CLIPTextEncode", "EmptyLatentImage", "VAEDecode")
    },
    "KSampler": {
        "input": {"required": {"sampler_name": [["euler"], {}], "scheduler": ["COMBO", {"options": ["normal"]}]}},
        "output": ["LATENT"],
    },
    "PreviewImage": {"input": {"required": {"images": ["IMAGE"]}}, "output": [], "output_node": True},
}


@pytest.mark.parametrize("name", ["sdxl.safetensors", "flux.safetensors"])
def test_a_checkpoint_makes_a_picture_in_one_step_so_that_all_of_it_is_loaded(name: str) -> None:
    graph = warm_graph({**OLD, **SAMPLING}, name)
    assert graph is not None
    loader = graph["1"]
    assert loader["class_type"] == "CheckpointLoaderSimple" and loader["inputs"]["ckpt_name"].endswith(name)
    sampler = graph["4"]["inputs"]
    assert (sampler["steps"], sampler["sampler_name"], sampler["scheduler"]) == (1, "euler", "normal")
    assert sampler["model"] == ["1", 0] and graph["5"]["inputs"]["vae"] == ["1", 2]


def test_any_other_file_is_loaded_by_the_node_that_does_it_alone_as_a_job_would() -> None:
    assert warm_graph(OLD, "ae.safetensors") == {
        "1": {"class_type": "VAELoader", "inputs": {"vae_name": "ae.safetensors"}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
    }
    graph = warm_graph(OLD, "wan.safetensors")
    assert graph is not None and graph["1"]["inputs"] == {"unet_name": "wan.safetensors", "weight_dtype": "default"}


@pytest.mark.parametrize("name", ["style.safetensors", "unknown.safetensors", "euler"])
def test_what_no_node_loads_by_itself_is_not_loaded(name: str) -> None:
    assert warm_graph(OLD, name) is None


@pytest.mark.parametrize("odd", [{}, {"A": None}, {"A": {"input": [], "output": 1}}, {"A": {"input": {"required": 3}}}])
def test_odd_answers_of_a_worker_give_no_graph(odd: dict[str, Any]) -> None:
    assert warm_graph(odd, "a.safetensors") is None and ready_graph(odd) is None


def test_a_trial_asks_nobody() -> None:
    graph = ready_graph({"EmptyImage": {}, "PreviewImage": {}})
    assert graph is not None and {node["class_type"] for node in graph.values()} == {"EmptyImage", "PreviewImage"}
