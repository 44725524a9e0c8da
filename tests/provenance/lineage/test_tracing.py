from __future__ import annotations

from typing import Any

import pytest

from mintmark.provenance.lineage import kinds
from mintmark.provenance.lineage.tracing import MOST_STEPS, MOST_WAYS, descents


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


PHOTO = node("LoadImage", image="photo.png")


@pytest.mark.parametrize(
    ("graph", "link"),
    [
        ({}, ["1", 0]),
        ({"1": PHOTO}, None),
        ({"1": PHOTO}, ["2", 0]),
        ({"1": PHOTO}, "1"),
        ({"1": node("ImageInvert", image=["2", 0]), "2": node("ImageInvert", image=["1", 0])}, ["1", 0]),
        ({"1": node("ImageInvert", image=["1", 0])}, ["1", 0]),
        ({"1": node("ImageInvert")}, ["1", 0]),
    ],
)
def test_of_a_graph_that_tells_nothing_nothing_is_told(graph: dict[str, Any], link: Any) -> None:
    assert descents(graph, link) == []


@pytest.mark.parametrize("broken", [None, [], "x", {"class_type": 7}, {"class_type": "LoadImage", "inputs": []}])
def test_a_node_that_is_none_does_no_harm(broken: Any) -> None:
    descents({"1": node("ImageInvert", image=["2", 0]), "2": broken}, ["1", 0])


def test_what_carries_pixels_is_asked_of_the_worker_where_it_can_tell() -> None:
    graph = {"1": PHOTO, "2": node("Describe", image=["1", 0]), "3": node("Paint", style=["2", 0], ground=["1", 0])}
    types = {"Describe": ("STRING",), "LoadImage": ("IMAGE", "MASK"), "Paint": ("IMAGE",)}
    (way,) = descents(graph, ["3", 0], types=types.get)
    assert (way.root.name, [step.class_type for step in way.steps]) == ("photo.png", ["Paint"])


def test_a_mask_is_not_taken_for_the_picture() -> None:
    graph = {"1": PHOTO, "2": node("LoadImage", image="mask.png"), "3": node("X", mask=["2", 1], image=["1", 0])}
    (way,) = descents(graph, ["3", 0])
    assert (way.root.name, [root.name for root in way.fed]) == ("photo.png", ["mask.png"])


def test_a_long_chain_and_a_tree_of_batches_are_looked_at_once_and_bounded() -> None:
    graph = {"0": PHOTO}
    for number in range(1, 5_000):
        graph[str(number)] = node(f"Unknown{number}", image=[str(number - 1), 0])
    (way,) = descents(graph, ["4999", 0])
    assert way.root.name == "photo.png"
    assert len(way.steps) == MOST_STEPS
    tree = {str(number): node("LoadImage", image=f"{number}.png") for number in range(200)}
    tree["all"] = node("BatchImagesNode", **{f"images.image{number}": [str(number), 0] for number in range(200)})
    assert len(descents(tree, ["all", 0])) == MOST_WAYS


def test_no_class_is_known_in_two_ways() -> None:
    every = [kinds.FILES, kinds.HOSTED, kinds.EMPTY, kinds.DRAWN, kinds.SAMPLERS, kinds.PASSES, kinds.CHANGES]
    names = [name for each in every for name in each]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("place", [-9, -1, 2, 10**30])
def test_an_output_that_there_is_not_brings_no_pixels(place: int) -> None:
    graph = {"a": node("LoadImage", image="a.png"), "u": node("Strange", image=["a", place])}
    (way,) = descents(graph, ["u", 0], types=lambda _: ("IMAGE", "MASK"))
    assert way.root.kind == "unknown"


def test_of_what_models_were_shown_on_a_long_way_a_bounded_part_is_kept() -> None:
    graph = {"k": node("LoadImage", image="first.png")}
    for each in range(100):
        graph[f"f{each}"] = node("LoadImage", image=f"{each}.png")
        before = f"k{each - 1}" if each else "k"
        graph[f"k{each}"] = node("KSampler", latent_image=[before, 0], positive=[f"f{each}", 0])
    (way,) = descents(graph, ["k99", 0])
    assert len(way.fed) == MOST_WAYS
