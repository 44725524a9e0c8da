"""The most that a graph can set aside, which a job asks the budget for: never too little, else None."""

from __future__ import annotations

from typing import Any

import pytest

from mintmark.generation.graph_estimate import bound_microusd


def graph(more: dict[str, Any] | None = None, **inputs: Any) -> dict[str, Any]:
    asked = {"prompt": "a fox", "model": "fal/flux-schnell", "width": 1024, "height": 1024, "seed": 1, **inputs}
    save = {"images": ["1", 0], "record": ["1", 1], "filename_prefix": "x"}
    return {
        "1": {"class_type": "MintmarkTextToImage", "inputs": asked},
        "2": {"class_type": "MintmarkSignAndSave", "inputs": save},
        **(more or {}),
    }


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


LOADED = {
    "3": node("LoadImage", image="a.gif"),
    "4": node("MintmarkUpscale", image=["3", 0], model="fal/esrgan"),
    "5": node("PreviewImage", images=["4", 0]),
}


def test_the_calls_of_a_plain_graph_are_bounded_each_seed_by_itself() -> None:
    assert bound_microusd(graph()) == 3_000
    assert bound_microusd(graph(count=4)) == 12_000
    seeds = {"3": node("MintmarkSeedBatch", seed=1, count=5)}
    assert bound_microusd(graph(seeds, seed=["3", 0])) == 15_000


@pytest.mark.parametrize(
    ("more", "inputs"),
    [
        ({"3": node("SomebodysListNode")}, {"seed": ["3", 0]}),
        ({"3": node("MintmarkRankCandidates", images=["1", 0]), "4": node("PreviewAny", source=["3", 2])}, {}),
        (LOADED, {}),
        ({}, {"model": "openai/gpt-image-2", "model.quality": "low", "model.previews": 3}),
        ({"3": node("PrimitiveInt", value=["9", 0])}, {"count": ["3", 0]}),
        ({}, {"model": "no/such-model"}),
    ],
)
def test_where_the_bound_is_not_sure_there_is_none(more: dict[str, Any], inputs: dict[str, Any]) -> None:
    assert bound_microusd(graph(more, **inputs)) is None


def test_a_graph_of_core_nodes_alone_costs_nothing() -> None:
    assert bound_microusd({"1": node("EmptyImage", width=8, height=8), "2": node("SaveImage", images=["1", 0])}) == 0


@pytest.mark.parametrize("kind", ["KSampler", "SomebodysNode", "MintmarkModerateImage"])
def test_a_graph_without_hosted_nodes_has_no_bound_where_another_node_might_become_one(kind: str) -> None:
    assert bound_microusd({"1": node("EmptyImage", width=8, height=8), "2": node(kind, image=["1", 0])}) is None
    assert bound_microusd({}) is None
