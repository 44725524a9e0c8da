"""What becomes of a batch: each node says it, the estimate reckons with it, and what is settled is the same."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from mintmark.generation.graph_estimate import Line, bound_microusd, lines, picture_in
from mintmark.generation.graph_estimate_batch import FAN_OUT, MOST_COUNT
from mintmark.nodes.extension import NODES
from mintmark.nodes.generating import MAX_COUNT

from .conftest import Graph, text_to_image

PLAIN: Graph = {"1": {"class_type": "EmptyImage", "inputs": {"width": 512, "height": 512, "batch_size": 3, "color": 9}}}
LARGE: Graph = {"1": {"class_type": "EmptyImage", "inputs": {**PLAIN["1"]["inputs"], "width": 1024, "height": 1024}}}
LOADED: Graph = {"1": {"class_type": "LoadImage", "inputs": {"image": "given.png"}}}


def hosted(name: str, model: str, source: str = "1", **inputs: Any) -> dict[str, Any]:
    given = {"image": [source, 0], "model": model, "seed": 1, "prompt": "a lighthouse", **inputs}
    return {"class_type": f"Mintmark{name}", "inputs": given}


def control(source: str = "1") -> dict[str, Any]:
    of = {"map": [source, 0], "kind": "edges", "width": 512, "height": 512}
    return {
        "class_type": "MintmarkControl",
        "inputs": {"model": "fal/flux-dev-controlnet", "prompt": "x", "seed": 1, **of},
    }


GRAPHS: dict[str, Graph] = {
    "a map each": {**PLAIN, "2": control()},
    "variations, each enlarged": {
        **PLAIN,
        "3": hosted("Variations", "stability/sd3.5-medium", count=2),
        "2": hosted("Upscale", "stability/upscale-fast", "3", scale=4.0),
    },
    "frames, each enlarged": {**LOADED, "2": hosted("Upscale", "stability/upscale-fast", scale=4.0)},
    "an edit with references": {**LARGE, "2": hosted("EditImage", "bfl/flux-2-pro", width=512, height=512)},
    "seeds, each varied": {
        "s": {"class_type": "MintmarkSeedBatch", "inputs": {"seed": 1, "count": 2}},
        "1": text_to_image(count=2, seed=["s", 0]),
        "2": hosted("Variations", "stability/sd3.5-medium"),
    },
    "two batches joined": {
        **PLAIN,
        "4": {"class_type": "ImageBatch", "inputs": {"image1": ["1", 0], "image2": ["1", 0]}},
        "2": control("4"),
    },
}


def frames(several: int = 4, kind: str = "PNG") -> bytes:
    pictures = [Image.new("RGB", (256, 256), (20 * each, 90, 60)) for each in range(several)]
    file = BytesIO()
    more = {} if kind == "JPEG" else {"save_all": True, "append_images": pictures[1:], "duration": 50}
    pictures[0].save(file, kind, **more)
    return file.getvalue()


def told(graph: Graph, file: bytes | None = None) -> list[Line]:
    return lines(graph, picture=lambda name: None if file is None else picture_in(file))


def sized(graph: Graph) -> Graph:
    return {**graph, "out": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}}}


def test_each_node_that_makes_images_says_what_becomes_of_a_batch() -> None:
    said = {f"Mintmark{each.__name__}": each.fan_out for each in NODES if hasattr(each, "fan_out")}
    assert said == FAN_OUT
    assert MOST_COUNT == MAX_COUNT


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
async def test_what_a_graph_settles_is_what_was_estimated(graph: Graph, bench: Any) -> None:
    (bench.runner.paths.input / "given.png").write_bytes(frames())
    job_id = await bench.open_job(allowance_microusd=10_000_000)
    history = await bench.run(sized(graph), job_id)
    assert history["status"]["status_str"] == "success", history["status"]
    settled = (await bench.report(job_id))["allowance"]["settled_microusd"]
    found = told(sized(graph), frames())
    assert all(line.estimate.exact for line in found), found
    assert sum(line.estimate.low for line in found) == settled > 0
    most = bound_microusd(sized(graph))
    assert most is None or most >= settled


@pytest.mark.parametrize(
    ("kind", "images"), [("PNG", "4"), ("WEBP", "4"), ("GIF", "1 to 4"), ("TIFF", "1 to 4"), ("JPEG", "1")]
)
def test_the_frames_of_a_file_that_is_at_hand_are_counted(kind: str, images: str) -> None:
    (line,) = told(sized(GRAPHS["frames, each enlarged"]), frames(4, kind))
    assert line.images == images
    assert line.estimate.low == 20_000 * int(images[0])
    assert line.estimate.high == 20_000 * int(images[-1])


def test_of_a_file_elsewhere_only_the_least_is_known() -> None:
    (line,) = told(sized(GRAPHS["frames, each enlarged"]))
    assert (line.images, line.estimate.high, line.firm_microusd) == ("1 or more", None, 20_000)
    assert "each image that comes in is a call of its own; reckoned for one" in line.unknown
    edit = {**LOADED, "2": GRAPHS["an edit with references"]["2"]}
    (line,) = told(sized(edit))
    assert not line.estimate.exact
    assert "what goes in is billed, and how many images that are is not known" in line.unknown


@pytest.mark.parametrize("count", [["n", 0], "3", 3.0])
def test_a_number_of_seeds_is_known_however_it_is_given(count: Any) -> None:
    graph = sized(
        {
            "n": {"class_type": "PrimitiveInt", "inputs": {"value": 3}},
            "s": {"class_type": "MintmarkSeedBatch", "inputs": {"seed": 1, "count": count}},
            "2": text_to_image(seed=["s", 0], count="2"),
        }
    )
    assert [line.images for line in told(graph)] == ["6"]
    assert bound_microusd(graph) == 18_000


def test_seeds_made_from_seeds_are_multiplied_and_an_unknown_number_has_no_bound() -> None:
    graph = sized(
        {
            "s": {"class_type": "MintmarkSeedBatch", "inputs": {"seed": 1, "count": 3}},
            "t": {"class_type": "MintmarkSeedBatch", "inputs": {"seed": ["s", 0], "count": 2}},
            "2": text_to_image(seed=["t", 0]),
        }
    )
    assert bound_microusd(graph) == 18_000
    graph["t"]["inputs"]["count"] = ["2", 0]
    assert bound_microusd(graph) is None
    graph["t"]["inputs"]["count"] = ["x", 0]
    assert [line.images for line in told(graph)] == ["3 or more"]
    assert bound_microusd(graph) is None


def test_a_long_way_of_doubled_links_is_walked_once() -> None:
    graph: Graph = {"0": PLAIN["1"]}
    for each in range(1, 200):
        before = [str(each - 1), 0]
        graph[str(each)] = {"class_type": "ImageBatch", "inputs": {"image1": before, "image2": before}}
    graph["2000"] = control("199")
    (line,) = told({**graph, "out": {"class_type": "PreviewImage", "inputs": {"images": ["2000", 0]}}})
    assert line.images == str(3 * 2**199)


async def test_a_guard_reckons_with_every_map_of_a_batch(bench: Any) -> None:
    graph = sized(GRAPHS["a map each"])
    guard = {"value": "x", "per_run_usd": 0.2}
    graph["g"] = {"class_type": "MintmarkBudgetGuard", "inputs": guard}
    graph["p"] = {"class_type": "PrimitiveString", "inputs": {"value": "x"}}
    guard["value"] = ["p", 0]
    graph["2"]["inputs"] |= {"prompt": ["g", 0]}
    history = await bench.run(graph)
    assert "$0.225 asked" in str(history["status"]["messages"]) or "budget_exceeded" in str(history["status"])
    assert await bench.calls() == []
