"""Partner nodes become ours, in both graph formats; the rest of a graph is left alone and every loss is told."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mintmark.errors import FileMissing, InvalidWorkflow
from mintmark.providers.models import Catalog
from mintmark.workflows.badge import Badge
from mintmark.workflows.canvas import widget_values
from mintmark.workflows.format import FORMAT, Output, Requires, WorkflowVersion
from mintmark.workflows.importing import Import, import_graph, read_graph
from mintmark.workflows.mapping import of_ratio
from mintmark.workflows.partners import others, partners
from mintmark.workflows.validate import validate

Palette = dict[str, Any]
PICTURE, MASK = ["1", 0], ["1", 1]
SINK = {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}}


def api(kind: str, **inputs: Any) -> dict[str, Any]:
    """A picture, the partner node as ``2``, and a node that saves."""
    loaded = {"class_type": "LoadImage", "inputs": {"image": "a.png"}}
    return {"1": loaded, "2": {"class_type": kind, "inputs": inputs}, "3": copy.deepcopy(SINK)}


def became(result: Import, node: str = "2") -> tuple[str, dict[str, Any]]:
    return result.document[node]["class_type"], result.document[node]["inputs"]


CASES: dict[str, tuple[dict[str, Any], str, dict[str, Any], tuple[int, int] | None]] = {
    "gpt-image-1, edit, retired": (
        api("OpenAIGPTImage1", prompt="a", model="gpt-image-1", quality="high", size="1024x1536", n=2, image=PICTURE),
        "MintmarkEditImage",
        {
            "model": "openai/gpt-image-2.5-sunburst",
            "model.quality": "high",
            "count": 2,
            "width": 1024,
            "height": 1536,
            "image": PICTURE,
        },
        (334_000, 500_000),
    ),
    "gpt-image-2, custom size": (
        api("OpenAIGPTImage1", prompt="a", size="Custom", custom_width=2048, custom_height=1152, background="opaque"),
        "MintmarkTextToImage",
        {"model": "openai/gpt-image-2", "model.background": "opaque", "width": 2048, "height": 1152},
        (5_800, 22_800),
    ),
    "gpt-image v2, references": (
        api(
            "OpenAIGPTImageNodeV2",
            **{"prompt": "a", "model": "gpt-image-2", "model.quality": "medium", "model.size": "auto"},
            **{"model.images.image_1": PICTURE, "model.images.image_2": PICTURE, "seed": 7, "n": 1},
        ),
        "MintmarkEditImage",
        {"model": "openai/gpt-image-2", "model.quality": "medium", "image": PICTURE, "image_2": PICTURE, "seed": 7},
        (49_200, 201_600),
    ),
    "dall-e-2, inpaint": (
        api("OpenAIDalle2", prompt="a", size="512x512", image=PICTURE, mask=MASK),
        "MintmarkInpaint",
        {"model": "openai/gpt-image-2.5-flare", "image": PICTURE, "mask": MASK},
        (18_000, 18_000),
    ),
    "dall-e-3": (
        api("OpenAIDalle3", prompt="a", quality="hd", size="1792x1024"),
        "MintmarkTextToImage",
        {"model": "openai/gpt-image-2.5-sunburst", "model.quality": "high", "width": 1792, "height": 1024},
        (120_000, 120_000),
    ),
    "ultra": (
        api("FluxProUltraImageNode", prompt="a", prompt_upsampling=True, seed=2**64 - 1, aspect_ratio="16:9", raw=True),
        "MintmarkTextToImage",
        {
            "model": "bfl/flux-pro-1.1-ultra",
            "model.enhance_prompt": "on",
            "model.raw": "on",
            "model.aspect_ratio": "16:9",
            "seed": 2**64 - 1,
            "width": 1368,
            "height": 768,
        },
        (60_000, 60_000),
    ),
    "ultra, like an image": (
        api("FluxProUltraImageNode", prompt="a", image_prompt=PICTURE, image_prompt_strength=0.3),
        "MintmarkVariations",
        {"model": "bfl/flux-pro-1.1-ultra", "image": PICTURE, "strength": 0.7},
        (60_000, 60_000),
    ),
    "kontext pro": (
        api("FluxKontextProImageNode", prompt="a", aspect_ratio="1:1", seed=1, input_image=PICTURE),
        "MintmarkEditImage",
        {"model": "bfl/flux-kontext-pro", "image": PICTURE, "model.aspect_ratio": "1:1", "model.enhance_prompt": "off"},
        None,
    ),
    "kontext max, words alone": (
        api("FluxKontextMaxImageNode", prompt="a", aspect_ratio="5:4", seed=1),
        "MintmarkTextToImage",
        {"model": "bfl/flux-kontext-max", "width": 1144, "height": 912},
        None,
    ),
    "expand": (
        api("FluxProExpandNode", prompt="a", image=PICTURE, top=1, bottom=2, left=3, right=4, guidance=30, steps=20),
        "MintmarkOutpaint",
        {
            "model": "bfl/flux-pro-1.0-expand",
            "image": PICTURE,
            "top": 1,
            "bottom": 2,
            "left": 3,
            "right": 4,
            "model.guidance": 30,
            "model.steps": 20,
        },
        (50_000, 50_000),
    ),
    "fill": (
        api("FluxProFillNode", prompt="a", image=PICTURE, mask=MASK, guidance=60, steps=50, seed=5),
        "MintmarkInpaint",
        {"model": "bfl/flux-pro-1.0-fill", "image": PICTURE, "mask": MASK, "model.guidance": 60, "seed": 5},
        (50_000, 50_000),
    ),
    "flux 2 pro": (
        api("Flux2ProImageNode", prompt="a", width=2048, height=2048, seed=1, prompt_upsampling=False),
        "MintmarkTextToImage",
        {"model": "bfl/flux-2-pro", "width": 2048, "height": 2048, "model.exact_prompt": "on"},
        (75_000, 75_000),
    ),
    "flux 2 max, with images": (
        api("Flux2MaxImageNode", prompt="a", width=1024, height=1024, seed=1, images=PICTURE),
        "MintmarkEditImage",
        {"model": "bfl/flux-2-max", "image": PICTURE, "model.exact_prompt": "off", "width": 1024},
        (100_000, 310_000),
    ),
    "flux 2": (
        api("Flux2ImageNode", **{"prompt": "a", "model": "Flux.2 [max]", "model.width": 512, "model.height": 768}),
        "MintmarkTextToImage",
        {"model": "bfl/flux-2-max", "width": 512, "height": 768},
        (70_000, 70_000),
    ),
    "ideogram": (
        api("IdeogramV3", prompt="a", resolution="1152x896", rendering_speed="TURBO", magic_prompt_option="OFF"),
        "MintmarkTextToImage",
        {
            "model": "fal/ideogram-v3",
            "model.rendering_speed": "TURBO",
            "model.expand_prompt": "off",
            "width": 1152,
            "height": 896,
        },
        (42_900, 42_900),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_partner_node_becomes_ours_with_its_settings_and_its_price(name: str, palette: Palette) -> None:
    graph, node, wanted, price = CASES[name]
    before = copy.deepcopy(graph)
    result = import_graph(graph, palette)
    kind, inputs = became(result)
    assert graph == before, "the graph that was given is left alone"
    assert kind == node
    assert inputs["prompt"] == "a"
    assert {key: inputs.get(key) for key in wanted} == wanted
    assert result.document["3"] == SINK, "what hung on IMAGE hangs on our first output"
    (told,) = result.imported
    assert told.badge == (Badge(*price) if price else None)
    assert [each.reason for each in result.not_mapped] == []


@pytest.mark.parametrize("name", CASES)
def test_what_it_becomes_runs_on_a_worker(name: str, palette: Palette) -> None:
    graph = import_graph(CASES[name][0], palette).document
    made = WorkflowVersion(
        format=FORMAT,
        name="x",
        version="1.0.0",
        title="x",
        lane="hosted",
        graph=graph,
        outputs=(Output(name="images", node="3", kind="images"),),
        requires=Requires(nodes=tuple(sorted({each["class_type"] for each in graph.values()}))),
    )
    assert [str(each) for each in validate(made, palette) if "a.png" not in str(each)] == []


def on_canvas(graph: dict[str, Any]) -> dict[str, Any]:
    """The same graph as the canvas saves it: the partner node has an own title, a colour and a place in a group."""
    partner, given = partners()[graph["2"]["class_type"]], graph["2"]["inputs"]
    linked = {name: value for name, value in given.items() if isinstance(value, list)}
    links = [
        [10 + slot, 1, value[1], 2, slot, ("IMAGE", "MASK")[value[1]]] for slot, value in enumerate(linked.values())
    ]
    inputs = [{"name": name, "type": link[5], "link": link[0]} for name, link in zip(linked, links, strict=True)]
    fed = [[link[0] for link in links if link[2] == slot] or None for slot in (0, 1)]
    loader = {"id": 1, "type": "LoadImage", "pos": [0, 0], "inputs": [], "widgets_values": ["a.png", "image"]}
    loader["outputs"] = [
        {"name": kind, "type": kind, "links": fed[slot]} for slot, kind in enumerate(("IMAGE", "MASK"))
    ]
    node = {
        "id": 2,
        "type": partner.name,
        "pos": [5, 6],
        "size": [400, 100],
        "mode": 0,
        "title": "Mine",
        "color": "#223",
    }
    node |= {"inputs": inputs, "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [99]}]}
    node |= {"properties": {"ver": "0.33.0", "cnr_id": "comfy-core"}, "widgets_values": list(_widgets(partner, given))}
    saver = {"id": 3, "type": "SaveImage", "inputs": [{"name": "images", "type": "IMAGE", "link": 99}], "outputs": []}
    groups = [{"id": 1, "title": "g", "bounding": [0, 0, 900, 900]}]
    links.append([99, 2, 0, 3, 0, "IMAGE"])
    return {
        "nodes": [loader, node, {**saver, "widgets_values": ["x"]}],
        "links": links,
        "groups": groups,
        "version": 0.4,
    }


def _widgets(partner: Any, given: dict[str, Any]) -> Any:
    for name, idle in partner.widgets.items():
        value = given.get(name, idle)
        yield value
        if name == "seed":
            yield "increment"
        for short, nested in partner.nested.get(name, {}).get(str(value), {}).items():
            yield given.get(f"{name}.{short}", nested)


@pytest.mark.parametrize("name", CASES)
def test_on_the_canvas_it_becomes_the_same_in_its_own_place(name: str, palette: Palette) -> None:
    graph, kind, _, _ = CASES[name]
    document = on_canvas(graph)
    result = import_graph(document, palette)
    loader, node, saver = result.document["nodes"]
    assert (loader["widgets_values"], saver, result.document["groups"]) == (
        ["a.png", "image"],
        document["nodes"][2],
        document["groups"],
    )
    assert [node[key] for key in ("id", "type", "pos", "title", "color")] == [2, kind, [5, 6], "Mine", "#223"]
    assert node["properties"] == {"cnr_id": "mintmark", "Node name for S&R": kind}
    assert [(each["name"], each["links"]) for each in node["outputs"]] == [("images", [99]), ("record", None)]
    _, inputs = became(import_graph(graph, palette))
    literals = {key: value for key, value in inputs.items() if not isinstance(value, list)}
    assert node["widgets_values"] == widget_values(palette[kind], literals, "increment")
    ends = {link[0]: link for link in result.document["links"]}
    for slot, each in enumerate(node["inputs"]):
        wanted = inputs.get(each["name"])
        assert (each["link"] is not None) == isinstance(wanted, list)
        if each["link"] is not None:
            assert ends[each["link"]][1:5] == [1, wanted[1], 2, slot]
    assert sorted(ends) == sorted([99, *(each["link"] for each in node["inputs"] if each["link"])])


LOSSES: list[tuple[dict[str, Any], str, str]] = [
    (api("OpenAIDalle3", prompt="a", style="vivid"), "style", "say it in the prompt"),
    (api("FluxKontextProImageNode", prompt="a", steps=20), "steps", "bfl/flux-kontext-pro has no such input"),
    (api("FluxProFillNode", prompt="a", image=PICTURE, mask=MASK, steps=["1", 0]), "steps", "ours takes INT"),
    (
        api("FluxProFillNode", prompt="a", image=PICTURE, mask=MASK, guidance=500),
        "guidance",
        "above the node's maximum",
    ),
    (api("OpenAIDalle2", prompt="a", size=["1", 0]), "size", "comes over a link"),
    (api("OpenAIDalle2", prompt="a", size="huge"), "size", "names no size"),
    (api("FluxProUltraImageNode", prompt="a", aspect_ratio="wide"), "aspect_ratio", "names no ratio"),
    (api("FluxProUltraImageNode", prompt="a", raw=["1", 0]), "raw", "in other words"),
    (api("FluxProUltraImageNode", prompt="a", extra=5), "extra", "does not know this input"),
    (api("IdeogramV3", prompt="a", rendering_speed="WARP"), "rendering_speed", "no word for 'WARP'"),
]


@pytest.mark.parametrize(("graph", "name", "reason"), LOSSES, ids=[f"{each[1]}: {each[2]}" for each in LOSSES])
def test_an_input_that_does_not_map_is_told_with_the_reason(
    graph: dict[str, Any], name: str, reason: str, palette: Palette
) -> None:
    result = import_graph(graph, palette)
    (lost,) = result.not_mapped
    assert (lost.node_id, lost.was, lost.input) == ("2", graph["2"]["class_type"], name)
    assert reason in lost.reason
    assert len(result.imported) == 1


WHOLE: list[tuple[dict[str, Any], str]] = [
    (api("FluxEraseNode", image=PICTURE, mask=MASK), "no eraser"),
    (api("IdeogramV3", prompt="a", character_image=PICTURE), "no character reference"),
    (api("OpenAIGPTImage1", prompt="a", mask=MASK), "a mask and no image"),
    (api("OpenAIGPTImage1", prompt="a", model="gpt-image-9"), "which model it asks for"),
    (api("KlingTextToVideoNode", prompt="a"), "Kling, video"),
]


@pytest.mark.parametrize(("graph", "reason"), WHOLE, ids=[each[1] for each in WHOLE])
def test_a_node_without_one_of_ours_stays_as_it_is(graph: dict[str, Any], reason: str, palette: Palette) -> None:
    result = import_graph(graph, palette)
    assert result.document == graph
    assert result.imported == []
    (lost,) = result.not_mapped
    assert (lost.input, lost.node_id) == ("", "2")
    assert reason in lost.reason


def test_more_references_than_our_node_takes_are_told(palette: Palette) -> None:
    images = {f"model.images.image_{number}": PICTURE for number in range(1, 7)}
    result = import_graph(api("Flux2ImageNode", **{"prompt": "a", "model": "Flux.2 [pro]", **images}), palette)
    assert [each.input for each in result.not_mapped] == ["model.images.image_5", "model.images.image_6"]


def test_a_link_that_found_no_place_goes_with_all_that_names_it(palette: Palette) -> None:
    document = on_canvas(api("OpenAIDalle2", prompt="a", image=PICTURE, mask=MASK, size=["1", 0]))
    number = next(each["link"] for each in document["nodes"][1]["inputs"] if each["name"] == "size")
    document["extra"] = {
        "linkExtensions": [{"id": number, "parentId": 1}],
        "reroutes": [{"id": 1, "linkIds": [number]}],
    }
    changed = import_graph(document, palette).document
    assert number in [link[0] for link in document["links"]]
    assert str(number) not in json.dumps([changed["links"], changed["nodes"]]).replace(",", " ").split()
    assert changed["extra"] == {"linkExtensions": [], "reroutes": [{"id": 1, "linkIds": []}]}


def test_an_image_from_a_node_that_is_switched_off_is_none(palette: Palette) -> None:
    document = on_canvas(api("FluxProUltraImageNode", prompt="a", image_prompt=PICTURE))
    document["nodes"][0]["mode"] = 4
    result = import_graph(document, palette)
    assert result.document["nodes"][1]["type"] == "MintmarkTextToImage"
    assert any("switched off" in each for each in result.imported[0].told)


def test_a_node_inside_of_a_subgraph_is_found_and_its_promoted_widgets_follow(palette: Palette) -> None:
    inner = on_canvas(api("FluxProFillNode", prompt="a", image=PICTURE, mask=MASK))
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    inner["links"] = [dict(zip(names, link, strict=True)) for link in inner["links"]]
    promoted = [["2", "prompt"], ["2", "guidance"], ["2", "prompt_upsampling"], ["1", "image"]]
    outer = {"id": 7, "type": "sub-1", "inputs": [], "outputs": [], "properties": {"proxyWidgets": promoted}}
    document = {"nodes": [outer], "links": [], "definitions": {"subgraphs": [{"id": "sub-1", "name": "Fill", **inner}]}}
    result = import_graph(document, palette)
    node = result.document["definitions"]["subgraphs"][0]["nodes"][1]
    assert (node["type"], result.imported[0].node_id) == ("MintmarkInpaint", "sub-1/2")
    renamed = result.document["nodes"][0]["properties"]["proxyWidgets"]
    assert renamed == [["2", "prompt"], ["2", "model.guidance"], ["1", "image"]]
    links = {each["id"]: each for each in result.document["definitions"]["subgraphs"][0]["links"]}
    assert all(links[each["link"]]["target_slot"] == slot for slot, each in enumerate(node["inputs"]) if each["link"])


def test_a_graph_without_partner_nodes_stays_as_it_is(palette: Palette) -> None:
    graph = {"1": {"class_type": "EmptyImage", "inputs": {}}, "2": {"class_type": "SaveImage", "inputs": {}}}
    result = import_graph(graph, palette)
    assert (result.document, result.imported, result.not_mapped) == (graph, [], [])


def test_an_older_node_with_fewer_values_gets_the_defaults_of_the_rest(palette: Palette) -> None:
    document = on_canvas(api("OpenAIGPTImage1", prompt="a"))
    document["nodes"][1]["widgets_values"] = ["a", 3, "randomize", "high"]
    node = import_graph(document, palette).document["nodes"][1]
    assert node["widgets_values"][:3] == ["a", "openai/gpt-image-2", "high"]
    assert "randomize" in node["widgets_values"]


BROKEN: dict[str, tuple[str, str]] = {
    "no JSON": ("{", "is no JSON"),
    "no graph": ('{"a": 1}', "is no graph of ComfyUI's"),
    "a workflow file": (json.dumps({"format": 1, "graph": api("OpenAIDalle3")}), "is no graph of ComfyUI's"),
    "a key twice": ('{"nodes": [], "nodes": [], "links": []}', "stands twice"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_bad_file_is_refused_with_what_to_give_instead(name: str, tmp_path: Path) -> None:
    text, message = BROKEN[name]
    file = tmp_path / "bad.json"
    file.write_text(text)
    with pytest.raises(InvalidWorkflow, match=message) as caught:
        read_graph(file)
    assert caught.value.hint


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileMissing):
        read_graph(tmp_path / "none.json")


def _deep(levels: int) -> Any:
    found: Any = []
    for _ in range(levels):
        found = [found]
    return found


SPOILED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "links are no lists": lambda graph: graph.update(links=[5]),
    "an input without a name": lambda graph: graph["nodes"][1]["inputs"][0].pop("name"),
    "values that are a number": lambda graph: graph["nodes"][1].update(widgets_values=5),
    "size is a word": lambda graph: graph["nodes"][1].update(size="big"),
    "it has no end": lambda graph: graph.update(extra=_deep(5000)),
    "subgraphs that are none": lambda graph: graph.update(definitions={"subgraphs": [3]}),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_graph_that_contradicts_itself_is_refused(name: str, palette: Palette) -> None:
    document = on_canvas(CASES["fill"][0])
    SPOILED[name](document)
    with pytest.raises(InvalidWorkflow, match="contradicts itself"):
        import_graph(document, palette)


# -- the data -------------------------------------------------------------------------------------------------------


def test_every_model_that_is_named_is_in_the_catalog_and_its_stand_in_is_the_catalogs() -> None:
    catalog, seen = Catalog.load(), 0
    for partner in partners().values():
        for name in filter(None, partner.models.values()):
            model, seen = catalog.known(name), seen + 1
            if model.lifecycle.state in ("retired", "retiring"):
                assert partner.instead[name] == model.lifecycle.replaced_by
    assert seen > 15


def test_no_partner_node_is_known_twice() -> None:
    assert not partners().keys() & others().keys()
    assert len(others()) > 150


@pytest.mark.parametrize(("ratio", "size"), [((1, 1), (1024, 1024)), ((16, 9), (1368, 768)), ((9, 21), (672, 1568))])
def test_a_ratio_is_a_size_of_about_a_megapixel(ratio: tuple[int, int], size: tuple[int, int]) -> None:
    assert of_ratio(*ratio) == size
