"""What the palette says of itself, and that both hosts say the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mintmark.nodes.extension import NODES

ROOT = Path(__file__).resolve().parents[2]
RECORDED = json.loads((ROOT / "tests" / "recorded" / "object_info.json").read_text(encoding="utf-8"))["answers"]
IDS = sorted(RECORDED)


def inputs(groups: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every input with its options, those of each choice of a dynamic combo too."""
    for group in ("required", "optional"):
        for name, (_, *rest) in groups.get(group, {}).items():
            options = rest[0] if rest else {}
            yield prefix + name, options
            for choice in options.get("options", ()):
                if isinstance(choice, dict):
                    yield from inputs(choice["inputs"], f"{prefix}{name}.")


async def test_the_runner_tells_of_the_palette_what_a_real_comfyui_tells(bench: Any) -> None:
    _, told = await bench.json("GET", "/object_info")
    mine = {name: each for name, each in told.items() if name.startswith("Mintmark")}
    for each in mine.values():
        del each["python_module"]  # ComfyUI names the clone's folder here
    assert mine == RECORDED


def test_the_palette_is_what_was_recorded() -> None:
    assert sorted(node.define_schema().node_id for node in NODES) == IDS


@pytest.mark.parametrize("node_id", IDS)
def test_every_input_and_output_explains_itself(node_id: str) -> None:
    told = RECORDED[node_id]
    assert [name for name, options in inputs(told["input"]) if len(options.get("tooltip") or "") < 10] == []
    assert all(told["output_tooltips"])
    assert told["description"].endswith(".")


@pytest.mark.parametrize("node_id", IDS)
def test_a_node_is_found_by_other_words(node_id: str) -> None:
    aliases = RECORDED[node_id]["search_aliases"]
    assert len(aliases) >= 5
    assert len(set(aliases)) == len(aliases)
    assert all(alias == alias.lower() for alias in aliases)


@pytest.mark.parametrize("node_id", IDS)
def test_no_node_asks_for_a_comfy_org_account(node_id: str) -> None:
    assert RECORDED[node_id]["api_node"] is False


@pytest.mark.parametrize("node_id", IDS)
def test_the_help_page_lists_every_input_and_output(node_id: str) -> None:
    page = (ROOT / "web" / "comfy" / "docs" / f"{node_id}.md").read_text(encoding="utf-8")
    told = RECORDED[node_id]
    named = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    top = [name for name, _ in inputs(told["input"]) if "." not in name]
    assert named == [*top, *told["output_name"]]
    assert page.startswith(f"# {told['display_name']}\n")
    assert "**Tip**" in page
    assert len(page.splitlines()) < 45


def test_there_is_no_help_page_for_a_node_that_is_not_there() -> None:
    assert sorted(path.stem for path in (ROOT / "web" / "comfy" / "docs").glob("*.md")) == IDS


def test_models_that_are_switched_off_are_not_offered() -> None:
    offered = {choice["key"] for choice in RECORDED["MintmarkTextToImage"]["input"]["required"]["model"][1]["options"]}
    assert "fal/flux-schnell" in offered
    assert "openai/dall-e-3" not in offered


def test_changing_the_model_alone_is_always_a_valid_graph() -> None:
    for choice in RECORDED["MintmarkTextToImage"]["input"]["required"]["model"][1]["options"]:
        assert not choice["inputs"].get("required"), choice["key"]
