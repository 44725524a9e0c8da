"""Face Restore in a runner: a real detector and a real network, both tiny."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="not run: needs the extra local")
pytest.importorskip("spandrel", reason="not run: needs the extra local")
pytest.importorskip("onnxruntime", reason="not run: needs the extra onnx")

from .detectors import detector
from .test_faces import brighter

Graph = dict[str, Any]


@pytest.fixture
async def bench(tmp_path: Path, open_bench: Any) -> AsyncIterator[Any]:
    """A runner with a restoring model that makes faces brighter, and a detector of red squares."""
    for kind in ("facerestore_models", "face_detection"):
        (tmp_path / "models" / kind).mkdir(parents=True)
    brighter(tmp_path / "models" / "facerestore_models")
    detector(tmp_path / "models" / "face_detection")
    async with open_bench(tmp_path, models_dir=tmp_path / "models") as opened:
        yield opened


def portrait(*cells: tuple[int, int], alpha: Any = None) -> Image.Image:
    """Grey, with faces at these cells (row, column) of 8 pixels; where ``alpha`` is 0 its mask is white."""
    pixels = np.full((320, 320, 4), 100, np.uint8)
    pixels[..., 3] = 255 if alpha is None else alpha
    for row, column in cells:
        pixels[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8, :3] = (255, 0, 0)
    return Image.fromarray(pixels)


def graph(name: str, *, masked: bool = False, **inputs: Any) -> Graph:
    found = {"model": "brighter.safetensors", "detector": "face_detection_yunet_red.onnx"}
    its = {"image": ["1", 0], **found, **({"mask": ["1", 1]} if masked else {}), **inputs}
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": {"class_type": "MintmarkFaceRestore", "inputs": its},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "faces"}},
        "4": {"class_type": "PreviewAny", "inputs": {"source": ["2", 1]}},
    }


def saved(bench: Any, history: dict[str, Any]) -> np.ndarray[Any, Any]:
    assert history["status"]["status_str"] == "success", history["status"]
    (shown,) = history["outputs"]["3"]["images"]
    return np.asarray(Image.open(bench.output / shown["subfolder"] / shown["filename"]).convert("RGB"))


def count(history: dict[str, Any]) -> int:
    return int(history["outputs"]["4"]["text"][0])


async def test_faces_that_the_detector_finds_are_restored(bench: Any) -> None:
    history = await bench.run(graph(await bench.upload(portrait((10, 10), (30, 28)))))
    after = saved(bench, history)
    assert count(history) == 2
    assert after[100, 70, 0] > 150 and after[255, 250, 0] > 150
    assert (after[:20, 300:] == 100).all()


async def test_a_mask_says_where_faces_are_and_no_detector_is_needed(bench: Any) -> None:
    alpha = np.full((320, 320), 255, np.uint8)
    alpha[100:220, 120:210] = 0
    history = await bench.run(graph(await bench.upload(portrait(alpha=alpha)), masked=True, detector="none"))
    after = saved(bench, history)
    assert count(history) == 1
    assert after[160, 160, 0] > 150
    assert (after[alpha == 255] == 100).all()


async def test_a_picture_without_a_face_stays_as_it_is(bench: Any) -> None:
    history = await bench.run(graph(await bench.upload(portrait())))
    assert count(history) == 0
    assert (saved(bench, history) == 100).all()


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"detector": "none"}, "no mask is connected"),
        ({"detector": "other.onnx"}, "There is no face detector 'other.onnx'"),
        ({"model": "gfpgan.pth"}, "gfpgan.pth is a pickle"),
        ({"model": "other.safetensors"}, "other.safetensors"),
        ({"fidelity": 1.5}, "fidelity"),
    ],
)
async def test_bad_input_is_told_by_what_it_names(bench: Any, error_of: Any, inputs: Any, said: str) -> None:
    asked = graph(await bench.upload(portrait()), **inputs)
    _, answer = await bench.json("POST", "/prompt", json={"prompt": asked, "client_id": "bench"})
    if "prompt_id" not in answer:
        assert said in str(answer), answer
        return
    assert said in error_of(await bench.ended(answer["prompt_id"]))
