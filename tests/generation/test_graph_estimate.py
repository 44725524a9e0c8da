"""What a graph will cost, read off the graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mintmark.generation.graph_estimate import Line, lines, no_picture, picture_file, unneeded
from mintmark.generation.graph_estimate_links import OUTPUTS, ends

SMALL = {"width": 256, "height": 256, "prompt": "a lighthouse", "seed": 1}  # $0.003 with flux-schnell


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def asking(**inputs: Any) -> dict[str, Any]:
    return node("MintmarkTextToImage", **{"model": "fal/flux-schnell", **SMALL, **inputs})


def saved(source: str) -> dict[str, Any]:
    return node("SaveImage", images=[source, 0])


def priced(graph: dict[str, Any], source: str = "1", **how: Any) -> list[Line]:
    return lines({**graph, "out": saved(source)}, **how)


def test_a_node_is_priced_as_it_stands() -> None:
    (line,) = priced({"1": asking(count=3)})
    assert (line.node_id, line.model, line.images, line.firm_microusd) == ("1", "fal/flux-schnell", "3", 9_000)
    assert line.estimate.exact


def test_only_what_some_output_needs_is_counted() -> None:
    graph = {"1": asking(), "2": {**asking(seed=2), "_meta": {"title": "Forgotten"}}, "out": saved("1")}
    assert [line.node_id for line in lines(graph)] == ["1"]
    assert unneeded(graph) == ["Forgotten"]


def test_an_output_that_only_the_caller_knows_counts() -> None:
    graph = {"1": asking(), "2": node("MintmarkModerateImage", image=["1", 0])}
    assert lines(graph) == []
    assert [line.node_id for line in lines(graph, outputs=["2", "no such node"])] == ["1"]


def test_a_foreign_node_that_nobody_takes_from_counts_as_an_outcome() -> None:
    assert ends({"1": asking(), "2": node("TheirSaver", images=["1", 0]), "3": node("PrimitiveInt", value=1)}) == {"2"}


def test_a_node_behind_another_is_the_only_one_told_of() -> None:
    graph = {"p": node("Foreign"), "1": asking(prompt=["p", 0]), "2": asking(seed=2), "3": saved("2")}
    assert [line.node_id for line in priced(graph, after="p")] == ["1"]
    assert priced(graph, after="1") == []


def test_each_image_of_a_batch_is_a_call_where_one_call_takes_one() -> None:
    fill = node("MintmarkInpaint", model="fal/flux-pro-fill", image=["1", 0], mask=["1", 1], prompt="x", count=1)
    graph = {"1": asking(count=3, width=1024, height=1024), "2": fill}
    _, line = priced(graph, "2")
    assert (line.images, line.estimate.low, line.estimate.high) == ("3", 150_000, 150_000)
    (line,) = priced({**graph, "1": node("Foreign")}, "2")
    assert "each image that comes in is a call of its own; reckoned for one" in line.unknown


def test_an_edit_is_as_large_as_what_comes_in() -> None:
    edit = node("MintmarkEditImage", model="fal/flux-2-pro", image=["1", 0], prompt="x", count=1, width=0, height=0)
    graph = {"1": node("EmptyImage", width=1024, height=1024, batch_size=1), "2": edit}
    (line,) = priced(graph, "2")
    assert line.estimate.exact, line
    (line,) = priced({**graph, "1": node("Foreign")}, "2")
    assert line.estimate.high is not None and line.estimate.low < line.estimate.high
    assert "the size depends on the image" in line.unknown


def test_a_picture_on_this_machine_tells_its_size(tmp_path: Path) -> None:
    Image.new("RGB", (1024, 1024)).save(tmp_path / "in.png")
    (tmp_path / "text.png").write_text("no picture")
    edit = node("MintmarkEditImage", model="fal/flux-2-pro", image=["1", 0], prompt="x", count=1, width=0, height=0)
    graph = {"1": node("LoadImage", image=str(tmp_path / "in.png")), "2": edit}
    assert priced(graph, "2", picture=picture_file)[0].estimate.exact
    assert not priced(graph, "2", picture=no_picture)[0].estimate.exact
    assert picture_file(tmp_path / "text.png") is picture_file(tmp_path / "none.png") is picture_file("\0") is None


@pytest.mark.parametrize(
    ("source", "why"), [("n", "count is linked"), ("", "count is not given"), ("gone", "count is not given")]
)
def test_what_is_not_known_is_said(source: str, why: str) -> None:
    (line,) = priced({"n": node("Foreign", value=2), "1": asking(count=[source, 0])})
    assert line.unknown == (why,)
    assert (line.images, line.estimate.low, line.estimate.high) == ("1 to 10", 3_000, 30_000)


def test_a_model_that_is_in_no_catalog_has_no_upper_end() -> None:
    (line,) = priced({"1": asking(model="fal/nothing")})
    assert (line.estimate.low, line.estimate.high, line.firm_microusd) == (0, None, 0)
    assert line.unknown == ("fal/nothing is in no catalog",)


def test_a_circle_of_links_ends() -> None:
    graph = {"1": asking(prompt=["2", 0]), "2": node("Foreign", x=["1", 0]), "3": saved("1")}
    assert len(lines(graph)) == 1


@pytest.mark.parametrize("graph", [{}, {"1": "no node"}, {"1": {}}, {"1": {"class_type": "SaveImage"}}])
def test_a_graph_without_hosted_nodes_costs_nothing(graph: dict[str, Any]) -> None:
    assert lines(graph) == []


def test_every_output_node_of_the_palette_is_known() -> None:
    palette = Path(__file__).parents[2] / "nodes"
    blocks = [text for path in palette.glob("*.py") for text in path.read_text().split("io.Schema(")[1:]]
    ours = {text.split('node_id="')[1].split('"')[0] for text in blocks if "is_output_node=True" in text}
    assert ours and ours == {name for name in OUTPUTS if name.startswith("Mintmark")}
