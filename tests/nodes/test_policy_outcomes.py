"""Blur, review and block, as the palette does them in the runner."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mintmark.provenance.reading import read

RED = (255, 0, 0)
"""What the sandbox takes for violence of 0.97."""


def policy(folder: Path, **thresholds: Any) -> str:
    path = folder / "careful.json"
    data = {
        "name": "careful",
        "version": "1.0.0",
        "prompt_checkers": ["rules", "openai"],
        "image_checkers": ["openai"],
        "categories": {"violence": thresholds},
    }
    path.write_text(json.dumps(data))
    return str(path)


def striped() -> Image.Image:
    """Almost pure red on the whole, with stripes that a blurred copy does not have."""
    pixels = np.full((128, 128, 3), RED, dtype=np.uint8)
    pixels[::2, :, 1] = 14
    pixels[60:62, 60:62] = (0, 0, 255)
    return Image.fromarray(pixels)


def graph(name: str, on_flagged: str | None = None) -> dict[str, Any]:
    """A loaded picture, saved; through a gate where that is told what to do."""
    nodes: dict[str, Any] = {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": {"class_type": "MintmarkSignAndSave", "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
    }
    if on_flagged is not None:
        nodes["3"] = {"class_type": "MintmarkModerateImage", "inputs": {"images": ["1", 0]}}
        given = {"images": ["3", 0], "verdict": ["3", 1], "on_flagged": on_flagged}
        nodes["4"] = {"class_type": "MintmarkModerationGate", "inputs": given}
        nodes["2"]["inputs"]["images"] = ["4", 0]
    return nodes


def pixels_of(path: Path) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(path).convert("RGB"), dtype=np.int16)


def detail(path: Path) -> int:
    return int(abs(np.diff(pixels_of(path), axis=0)).max())


@pytest.mark.parametrize("gate", [None, "pass"])
async def test_a_blurred_image_is_saved_blurred_and_its_credential_says_so(
    gate: str | None, tmp_path: Path, open_bench: Any, files_of: Any
) -> None:
    async with open_bench(tmp_path, policy=policy(tmp_path, blur_at=0.9)) as bench:
        history = await bench.run(graph(await bench.upload(striped()), gate))
        (path,) = files_of(history)
        assert detail(path) < 25
        credential = read(path.read_bytes())
        assert credential.state == "valid"
        if gate is None:
            assert "c2pa.filtered" in [each.action for each in credential.actions]
            assert history["outputs"]["2"]["mintmark"][0]["verdict"]["decision"] == "blurred"
            assert "blurred" in history["outputs"]["2"]["text"][0]


async def test_a_gate_that_stops_what_is_flagged_stops_what_is_to_be_blurred(
    tmp_path: Path, open_bench: Any, error_of: Any
) -> None:
    async with open_bench(tmp_path, policy=policy(tmp_path, blur_at=0.9)) as bench:
        message = error_of(await bench.run(graph(await bench.upload(striped()), "stop")))
        assert "[output_blocked]" in message
        assert list(bench.output.rglob("*.png")) == []


async def test_an_image_for_review_is_saved_by_hand_and_says_so(tmp_path: Path, open_bench: Any, files_of: Any) -> None:
    async with open_bench(tmp_path, policy=policy(tmp_path, review_at=0.9)) as bench:
        history = await bench.run(graph(await bench.upload(striped())))
        (path,) = files_of(history)
        assert (pixels_of(path) == np.asarray(striped(), dtype=np.int16)).all()
        (saved,) = history["outputs"]["2"]["mintmark"]
        assert (saved["verdict"]["decision"], saved["verdict"]["rule"]) == ("review", "openai/violence")
        assert "waits until a person accepts it" in history["outputs"]["2"]["text"][0]


async def test_a_blocked_image_is_no_file(tmp_path: Path, open_bench: Any, error_of: Any) -> None:
    async with open_bench(tmp_path, policy=policy(tmp_path, blur_at=0.5, block_at=0.9)) as bench:
        assert "[output_blocked]" in error_of(await bench.run(graph(await bench.upload(striped()))))
        assert list(bench.output.rglob("*.png")) == []


@pytest.mark.parametrize("decision", ["blurred", "review"])
async def test_what_is_decided_of_a_prompt_is_told_by_the_node_and_done_to_the_image(
    decision: str, tmp_path: Path, open_bench: Any, made: Any, files_of: Any
) -> None:
    at = {"blurred": {"blur_at": 0.5}, "review": {"review_at": 0.5}}[decision]
    async with open_bench(tmp_path, policy=policy(tmp_path, **at)) as bench:
        asked = made()
        asked["1"]["inputs"]["prompt"] = "a bloody knight"
        history = await bench.run(asked)
        (path,) = files_of(history)
        assert history["outputs"]["2"]["mintmark"][0]["verdict"]["decision"] == decision
        assert (detail(path) < 25) == (decision == "blurred")
        assert "Because of its prompt" in history["outputs"]["1"]["text"][0]


async def test_the_houses_canary_and_shadow_hold_by_hand_too(
    tmp_path: Path, open_bench: Any, made: Any, files_of: Any
) -> None:
    rules = tmp_path / "house.json"
    careful = policy(tmp_path, review_at=0.5)
    rules.write_text(json.dumps({"shadow": "family", "canary": {"policy": careful, "percent": 100}}))
    async with open_bench(tmp_path, house_rules=rules) as bench:
        asked = made()
        asked["1"]["inputs"]["prompt"] = "a bloody knight"
        history = await bench.run(asked)
        verdict = history["outputs"]["2"]["mintmark"][0]["verdict"]
        assert (verdict["decision"], verdict["policy"]) == ("review", "careful@1.0.0")
        assert verdict["shadow"]["policy"] == "family@1.0.0"
