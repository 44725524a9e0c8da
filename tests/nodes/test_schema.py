"""Every node keeps the contract, both hosts tell of the palette the same, and a malformed node is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mintmark.errors import InternalError
from mintmark.nodes.base import Node, known
from mintmark.nodes.extension import NODES
from mintmark.nodes.receipt import Receipt
from mintmark.runner.registry import NodeType
from mintmark.tests.contracts.node import *  # noqa: F403 - the contract's tests are this file's
from mintmark.tests.contracts.node import PAGES, NodeCase

ROOT = Path(__file__).resolve().parents[2]
RECORDED = json.loads((ROOT / "tests" / "recorded" / "object_info.json").read_text(encoding="utf-8"))["answers"]
HOW = "The palette has changed: record it again, see CONTRIBUTING.md, Add a node."


@pytest.fixture(params=NODES, ids=lambda node: node.__name__)
def case(request: pytest.FixtureRequest) -> NodeCase:
    # A new node keeps the contract as the runner tells of it, until a real ComfyUI was asked.
    told = RECORDED.get(request.param.define_schema().node_id) or NodeType(request.param, "").info()
    return NodeCase(request.param, told)


async def test_the_runner_tells_of_the_palette_what_a_real_comfyui_tells(bench: Any) -> None:
    _, told = await bench.json("GET", "/object_info")
    mine = {name: each for name, each in told.items() if name.startswith("Mintmark")}
    for each in mine.values():
        del each["python_module"]  # ComfyUI names the clone's folder here
    assert mine == RECORDED, HOW


def test_the_palette_is_what_was_recorded() -> None:
    assert sorted(node.define_schema().node_id for node in NODES) == sorted(RECORDED), HOW


def test_there_is_no_help_page_for_a_node_that_is_not_there() -> None:
    assert sorted(path.stem for path in PAGES.glob("*.md")) == sorted(node.define_schema().node_id for node in NODES)


def test_models_that_are_switched_off_are_not_offered() -> None:
    offered = {choice["key"] for choice in RECORDED["MintmarkTextToImage"]["input"]["required"]["model"][1]["options"]}
    assert "fal/flux-schnell" in offered
    assert "openai/dall-e-3" not in offered


class Undescribed(Node):
    @classmethod
    def execute(cls) -> None:
        """Does nothing."""


@pytest.mark.parametrize("bad", [Undescribed, Receipt, object, Node])
def test_a_malformed_node_fails_loudly_by_its_name(bad: Any) -> None:
    with pytest.raises(InternalError, match=bad.__name__):
        known((*NODES, bad))
