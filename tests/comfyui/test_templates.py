"""Every template on the runner and on a real ComfyUI: the same files, records and costs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from PIL import Image, ImageDraw

from mintmark.provenance.reading import read as read_credential
from mintmark.workflows.library import Library

pytestmark = [
    pytest.mark.comfyui,
    pytest.mark.skipif(not os.environ.get("COMFYUI_PATH"), reason="not run: COMFYUI_PATH is not set"),
]
OF_ONE_RUN = ("job_id", "made_at", "provider_ms", "requests")
HOSTED = [name for name in Library(()).names() if Library(()).resolve(name).lane == "hosted"]
SAMPLED = {
    "rent-or-own": ("policy=by hand", "policy.branch=local"),
    "local-draft-hosted-finish": ("steps=2", "drafts=2"),
    "brand-lora-product-shot": ("steps=2",),
}
"""Those that sample here, and what has them do so quickly."""


def picture(folder: Path) -> Path:
    """A picture with a hole off its centre."""
    image = Image.new("RGBA", (512, 384), (60, 120, 160, 255))
    ImageDraw.Draw(image).ellipse((40, 60, 240, 300), fill=(230, 200, 120, 0))
    path = folder / "picture.png"
    image.save(path)
    return path


def run(comfy: Any, name: str, folder: Path, *arguments: str, side: int = 256, **env: str) -> dict[str, Any]:
    folder.mkdir()
    image = next((spec.name for spec in Library().resolve(name).inputs if spec.type == "image"), None)
    size = ["--set", f"width={side}", "--set", f"height={side}"]
    given = ["--image", f"{image}={picture(folder)}"] if image else size
    out = ["-o", str(folder / "out")]
    # Of its own: two templates may ask for the same picture, and this ComfyUI has the second one in its journal then.
    seed = f"seed={crc32(name.encode()) % 10_000}"
    code, told = comfy.mintmark(
        "run", name, "--set", seed, *given, *out, *arguments, MINTMARK_DATA_DIR=str(folder / "data"), **env
    )
    assert code == 0, told
    return dict(told)


def without_run(value: Any) -> Any:
    """A record without what names one run: ids, times, and the digests of files that hold them."""
    if isinstance(value, dict):
        # What was made on the worker itself says how many seconds that took.
        seconds = ("price_source",) if value.get("provider") == "local" else ()
        left_out = {*OF_ONE_RUN, *seconds, "call_id", "request_id", "sha256", "node"}
        return {name: without_run(each) for name, each in value.items() if name not in left_out}
    return [without_run(each) for each in value] if isinstance(value, list) else value


def masked(result: dict[str, Any]) -> dict[str, Any]:
    """What must be equal wherever the job ran; of several files and calls none is the first."""
    files = []
    for output in result["outputs"]:
        credential = read_credential(Path(output["path"]))
        assert output["credential"]["state"] == "valid"
        with Image.open(output["path"]) as image:
            pixels = image.convert("RGB").tobytes() if image.format == "PNG" else image.size
        facts = {name: output[name] for name in ("media_type", "width", "height", "verdict")}
        sources = [(each.title, each.relationship, each.state) for each in credential.ingredients]
        files.append({"record": without_run(credential.record), "pixels": pixels, "sources": sources, **facts})
    receipts = sorted((without_run(each) for each in result["receipts"]), key=repr)
    kept = {name: result[name] for name in ("status", "workflow", "total_microusd")}
    return {**kept, "files": sorted(files, key=repr), "receipts": receipts}


@pytest.fixture(scope="module")
def models(comfy: Any) -> Path:
    """The files that templates name, where this ComfyUI looks for them."""
    from ..local_models import needs_diffusers

    needs_diffusers()
    from ..template_models import put

    folder: Path = comfy.base / "models"
    put(folder)
    return folder


def test_every_template_runs_in_one_of_these_ways() -> None:
    assert {*HOSTED, *SAMPLED} == {*Library(()).names()}


@pytest.mark.parametrize("name", SAMPLED)
def test_what_is_sampled_in_a_real_comfyui_is_the_picture_that_the_runner_samples(
    name: str, comfy: Any, models: Path, tmp_path: Path
) -> None:
    given = [word for value in SAMPLED[name] for word in ("--set", value)]
    there = run(comfy, name, tmp_path / "there", "--worker", comfy.url, *given, side=64)
    here = run(comfy, name, tmp_path / "here", *given, side=64, MINTMARK_MODELS_DIR=str(models))
    assert masked(there) == masked(here)
    assert any(each["provider"] == "local" for each in here["receipts"])


@pytest.mark.parametrize("name", HOSTED)
def test_a_real_comfyui_gives_the_records_and_the_costs_that_the_runner_gives(
    name: str, comfy: Any, tmp_path: Path
) -> None:
    there = run(comfy, name, tmp_path / "there", "--worker", comfy.url)
    here = run(comfy, name, tmp_path / "here")
    assert (there["worker"], here["worker"]) == (comfy.url, "runner")
    assert masked(there) == masked(here)
    assert there["total_microusd"] > 0
