"""What the page says of a checkpoint of this machine: its seconds at the price of the GPU's hour, or what is known."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import mintmark

WEB = Path(mintmark.__file__).parent / "web" / "comfy"
NODE = shutil.which("node")
MODEL = {"name": "local/tiny", "title": "tiny", "provider": "local", "family": "local", "key": True, "step_s": 0.5}
PRICE = {"unit": "second", "microusd": "1000", "at_most_seconds": 10}
ASKED = {"megapixels": 2.0}

pytestmark = pytest.mark.skipif(NODE is None, reason="not run: there is no node (JavaScript) here")

_SCRIPT = """
import { about, brief, priceOf } from "./facts.js";
import { isHosted } from "./asked.js";
import { readFileSync } from "node:fs";
const { model, asked, count, steps, widget, nodes } = JSON.parse(readFileSync(0, "utf8"));
const price = priceOf({ model, count, asked, parameters: { steps }, guessed: new Set() });
const hosted = nodes.map((comfyClass) => isHosted({ comfyClass, widgets: [{ name: "model", value: widget }] }));
process.stdout.write(JSON.stringify({ price, about: about(model, price), brief: brief(model), hosted }));
"""


def page(folder: Path, model: dict[str, Any], asked: dict[str, Any] = ASKED) -> dict[str, Any]:
    for name in ("facts.js", "price.js", "decimal.js", "asked.js"):
        shutil.copy(WEB / name, folder)
    (folder / "catalog.js").write_text("export function model() { return undefined; }")
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "ask.js").write_text(_SCRIPT)
    nodes = ["MintmarkTextToImage", "MintmarkLocalUpscale", "MintmarkFaceRestore", "MintmarkCostEstimate"]
    sent = {"model": model, "asked": asked, "count": 3, "steps": 4, "widget": "nets/tiny.safetensors", "nodes": nodes}
    command = [str(NODE), "ask.js"]
    done = subprocess.run(
        command, cwd=folder, input=json.dumps(sent), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_measured_and_priced_it_tells_what_the_node_costs(tmp_path: Path) -> None:
    told = page(tmp_path, {**MODEL, "price": PRICE})
    assert told["price"]["microusd"] == 12_000  # 3 images x 4 steps x 2 MP x 0.5 s at a tenth of a cent
    assert told["price"]["text"] == "≈ $0.012"
    assert "$3.60 / GPU hour" in told["about"]
    assert "Key" not in told["about"]
    assert told["brief"] == {"facts": "$3.60 / GPU hour", "warnings": ""}


def test_without_a_size_it_is_reckoned_for_the_checkpoint_s_own(tmp_path: Path) -> None:
    told = page(tmp_path, {**MODEL, "price": PRICE, "default_size": [1000, 500]}, {"megapixels": None})
    assert told["price"]["microusd"] == 3000


def test_not_measured_it_tells_the_hour_and_not_priced_whose_gpu_it_is(tmp_path: Path) -> None:
    assert page(tmp_path, {**MODEL, "step_s": None, "price": PRICE})["price"]["text"] == "$3.60 / GPU hour"
    told = page(tmp_path, {**MODEL, "price": None})
    assert told["price"] == {"text": "your GPU", "microusd": None, "exact": False}
    assert "MINTMARK_GPU_HOUR_USD" in told["about"]


def test_a_node_that_names_a_file_or_only_reckons_asks_no_model(tmp_path: Path) -> None:
    assert page(tmp_path, {**MODEL, "price": None})["hosted"] == [True, False, False, False]
