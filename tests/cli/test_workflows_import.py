"""``mintmark workflows import``: a file in, a file out, and what it tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Cli

FILL = {"prompt": "a", "image": ["1", 0], "mask": ["1", 1], "guidance": 500, "steps": 50, "seed": 5}
GRAPH: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
    "2": {"class_type": "FluxProFillNode", "inputs": FILL},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}},
    "4": {"class_type": "KlingTextToVideoNode", "inputs": {}},
}


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    file = tmp_path / "partner.json"
    file.write_text(json.dumps(GRAPH))
    return file


def test_the_new_graph_is_written_and_both_prices_are_told(cli: Cli, graph: Path, tmp_path: Path) -> None:
    out = tmp_path / "ours.json"
    told = cli("workflows", "import", str(graph), "--out", str(out), "--json").json
    (imported,) = told["imported"]
    assert (imported["was"], imported["became"], imported["model"]) == (
        *("FluxProFillNode", "MintmarkInpaint"),
        "bfl/flux-pro-1.0-fill",
    )
    assert imported["partner_price"] == imported["price"] == {"low_microusd": 50_000, "high_microusd": 50_000}
    assert "ComfyUI 0.33" in imported["partner_price_source"]
    assert imported["partner_price_as_of"] == "2026-11-21"
    assert [(each["node"], each["input"]) for each in told["not_mapped"]] == [("2", "guidance"), ("4", None)]
    assert "workflow" not in told
    assert json.loads(out.read_text())["2"]["class_type"] == "MintmarkInpaint"
    assert json.loads(graph.read_text()) == GRAPH, "the file that was read is left alone"


def test_without_out_nothing_is_written_and_json_holds_the_graph(cli: Cli, graph: Path, tmp_path: Path) -> None:
    told = cli("workflows", "import", str(graph), "--json").json
    assert told["out"] is None
    assert told["workflow"]["2"]["class_type"] == "MintmarkInpaint"
    assert [path.name for path in tmp_path.glob("*.json")] == ["partner.json"]


def test_people_are_told_what_was_replaced_and_what_was_not(cli: Cli, graph: Path) -> None:
    told = cli("workflows", "import", str(graph)).out
    assert "FluxProFillNode.guidance = 500 did not map" in told
    assert "Kling, video" in told
    assert "$0.05" in told
    assert "--out FILE" in told


@pytest.mark.parametrize(
    ("text", "out", "code"),
    [
        ("{", "new.json", "invalid_workflow"),
        ('{"a": 1}', "new.json", "invalid_workflow"),
        (None, "new.json", "file_not_found"),
        (json.dumps(GRAPH), "there.json", "cannot_write"),
        (json.dumps(GRAPH), "none/new.json", "cannot_write"),
        (json.dumps(GRAPH), "bad.json", "usage_error"),
    ],
)
def test_what_cannot_be_done_has_a_code_and_a_hint(
    text: str | None, out: str, code: str, cli: Cli, tmp_path: Path
) -> None:
    file = tmp_path / "bad.json"
    if text is not None:
        file.write_text(text)
    (tmp_path / "there.json").write_text("mine")
    ran = cli("workflows", "import", str(file), "--out", str(tmp_path / out), "--json")
    assert ran.code != 0
    assert ran.error["code"] == code
    assert ran.error["hint"]
    assert (tmp_path / "there.json").read_text() == "mine"
