"""``mintmark cost estimate`` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from .conftest import Books, Cli


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def graph(**asked: Any) -> dict[str, Any]:
    inputs = {"model": "fal/flux-schnell", "prompt": "x", "width": 256, "height": 256, "count": 1, **asked}
    return {"1": node("MintmarkTextToImage", **inputs), "2": node("SaveImage", images=["1", 0])}


def written(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document))
    return path


def edit_workflow(home: Path) -> Path:
    """One required picture, one required prompt."""
    edit = {"model": "fal/flux-2-pro", "image": ["0", 0], "prompt": "x", "count": 1, "width": 0, "height": 0}
    document = {
        "format": 1,
        "name": "edit",
        "version": "1.0.0",
        "title": "Edit",
        "lane": "hosted",
        "inputs": [
            {
                "name": "source",
                "title": "Source",
                "type": "image",
                "required": True,
                "binds": [{"node": "0", "input": "image"}],
            },
            {
                "name": "prompt",
                "title": "Prompt",
                "type": "string",
                "required": True,
                "binds": [{"node": "1", "input": "prompt"}],
            },
        ],
        "outputs": [{"name": "images", "node": "2", "kind": "images"}],
        "requires": {"nodes": ["LoadImage", "MintmarkEditImage", "SaveImage"]},
        "graph": {
            "0": node("LoadImage", image="any.png"),
            "1": node("MintmarkEditImage", **edit),
            "2": node("SaveImage", images=["1", 0]),
        },
    }
    folder = home / "edit"
    folder.mkdir()
    return written(folder / "1.0.0.json", document)


def test_a_shipped_workflow_is_priced_without_a_worker(cli: Cli, books: Books) -> None:
    told = cli("cost", "estimate", "text-to-image", "--set", "count=3", "--sandbox", "--json").json
    assert told["workflow"] == "text-to-image@1.1.0"
    assert (told["low_microusd"], told["high_microusd"], told["exact"]) == (9_000, 9_000, True)
    assert told["mode"] == "sandbox"
    assert [each["model"] for each in told["nodes"]] == ["fal/flux-schnell"]
    assert books.calls == []


def test_what_a_run_then_costs_lies_in_the_range(cli: Cli, books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINTMARK_SANDBOX", "1")
    asked = ("--set", "model=openai/gpt-image-1.5", "--set", "width=1024", "--set", "height=1024")
    told = cli("cost", "estimate", "text-to-image", *asked, "--json").json
    paid = cli("run", "text-to-image", *asked, "--json").json["total_microusd"]
    assert 0 < told["low_microusd"] <= paid == books.billed <= told["high_microusd"]
    assert not told["exact"]


def test_for_people_a_range_stands_where_it_depends_on_the_result(cli: Cli) -> None:
    ran = cli("cost", "estimate", "text-to-image", "--set", "model=openai/gpt-image-1.5")
    assert ran.code == 0
    assert "≈ $" in ran.out and " to $" in ran.out


def test_required_inputs_need_not_be_given_and_what_hangs_on_them_is_said(cli: Cli, home: Path) -> None:
    path = edit_workflow(home)
    Image.new("RGB", (1024, 1024)).save(home / "in.png")
    vague = cli("cost", "estimate", path, "--json").json
    exact = cli("cost", "estimate", path, "--image", f"source={home / 'in.png'}", "--json").json
    assert "the size depends on the image" in vague["nodes"][0]["unknown"]
    assert vague["low_microusd"] <= exact["low_microusd"] == exact["high_microusd"] <= vague["high_microusd"]
    assert exact["nodes"][0]["unknown"] == []


def test_a_bare_graph_is_priced_as_it_stands(cli: Cli, home: Path) -> None:
    path = written(home / "graph.json", graph(count=2))
    assert cli("cost", "estimate", path, "--json").json["high_microusd"] == 6_000
    assert cli("cost", "estimate", path, "--set", "count=1", "--json").error["code"] == "usage_error"


def test_what_no_output_needs_is_named_and_costs_nothing(cli: Cli, home: Path) -> None:
    asked = {**graph(), "9": {**node("MintmarkTextToImage", model="fal/flux-2-pro"), "_meta": {"title": "Forgotten"}}}
    path = written(home / "graph.json", asked)
    told = cli("cost", "estimate", path, "--json").json
    assert (told["high_microusd"], told["not_counted"]) == (3_000, ["Forgotten"])
    assert "no output needs it: Forgotten" in cli("cost", "estimate", path).out


def test_a_model_without_a_price_leaves_the_upper_end_open(cli: Cli, home: Path) -> None:
    told = cli("cost", "estimate", written(home / "graph.json", graph(model="fal/nothing")), "--json").json
    assert told["high_microusd"] is None
    assert told["nodes"][0]["unknown"] == ["fal/nothing is in no catalog"]


def test_more_than_a_job_may_spend_is_said(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINTMARK_ALLOWANCE_USD", "0.005")
    assert "MINTMARK_ALLOWANCE_USD" in cli("cost", "estimate", "text-to-image", "--set", "count=2").out
    assert "MINTMARK_ALLOWANCE_USD" not in cli("cost", "estimate", "text-to-image").out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["no-such"], "unknown_workflow"),
        (["text-to-image", "--set", "colour=red"], "unknown_input"),
        (["text-to-image", "--set", "count=many"], "invalid_input"),
    ],
)
def test_what_cannot_be_read_is_refused(cli: Cli, arguments: list[str], code: str) -> None:
    ran = cli("cost", "estimate", *arguments, "--json")
    assert (ran.code, ran.error["code"]) == (2, code)


def test_a_canvas_file_and_a_missing_picture_are_refused(cli: Cli, home: Path) -> None:
    canvas = written(home / "ui.json", {"nodes": [], "links": [], "version": 0.4, "last_node_id": 0})
    assert cli("cost", "estimate", canvas, "--json").error["code"] == "invalid_workflow"
    missing = cli("cost", "estimate", edit_workflow(home), "--image", "source=none.png", "--json")
    assert missing.error["code"] == "file_not_found"
