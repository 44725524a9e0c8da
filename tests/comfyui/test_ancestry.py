"""What credentials tell of graphs that a real ComfyUI ran: nothing but images is connected."""

from __future__ import annotations

import io
import os
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mintmark.provenance.lineage import kinds
from mintmark.provenance.reading import read as read_credential

from .test_saving import asking, failure, file_of, ran, upload

pytestmark = [
    pytest.mark.comfyui,
    pytest.mark.skipif(not os.environ.get("COMFYUI_PATH"), reason="not run: COMFYUI_PATH is not set"),
]
TRAINED = "trainedAlgorithmicMedia"


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def scaled(*link: Any) -> dict[str, Any]:
    return node("ImageScale", image=list(link), upscale_method="bilinear", width=96, height=64, crop="disabled")


def save(*link: Any, **inputs: Any) -> dict[str, Any]:
    return node("MintmarkSignAndSave", images=list(link), filename_prefix="ancestry/a", **inputs)


def noise(seed: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (64, 96, 3), np.uint8)
    Image.fromarray(pixels).resize((192, 128)).save(file, "PNG")
    return file.getvalue()


async def told(page: Any, graph: dict[str, Any]) -> list[Any]:
    """(actions, source types, ingredients) of each saved file."""
    history = await ran(page, graph)
    assert failure(history) == ""
    found = []
    for each in history["outputs"]["save"]["images"]:
        credential = read_credential(await file_of(page, each))
        assert credential.state == "valid"
        types = [(action.digital_source_type or "").rsplit("/", 1)[-1] for action in credential.actions]
        used = [(item.relationship, item.title) for item in credential.ingredients]
        found.append(([action.action for action in credential.actions], types, used))
    return found


async def test_a_providers_picture_is_known_for_one_though_its_record_is_not_connected(page: Any) -> None:
    graph = {"1": asking(9001), "2": scaled("1", 0), "save": save("2", 0)}
    expected = (["c2pa.opened", "c2pa.resized"], [TRAINED, ""], [("parentOf", "fal/flux-schnell result")])
    assert await told(page, graph) == [expected]
    assert await told(page, graph) == [expected], "also where ComfyUI's cache gave the picture"
    untouched = {"1": asking(9001), "save": save("1", 0)}
    assert (await told(page, untouched))[0][0] == ["c2pa.opened"]


async def test_a_photo_that_was_only_loaded_is_named_as_what_the_file_was_made_from(page: Any) -> None:
    name = await upload(page, noise(1), "holiday.png")
    graph = {"1": node("LoadImage", image=name), "2": scaled("1", 0), "save": save("2", 0, origin="no AI involved")}
    assert await told(page, graph) == [(["c2pa.opened", "c2pa.resized"], ["", ""], [("parentOf", "holiday.png")])]


async def test_each_picture_of_a_joined_batch_has_its_own_parent(page: Any) -> None:
    names = [await upload(page, noise(seed), f"batch-{seed}.png") for seed in (2, 3)]
    graph = {
        "1": node("LoadImage", image=names[0]),
        "2": node("LoadImage", image=names[1]),
        "3": node("ImageBatch", image1=["1", 0], image2=["2", 0]),
        "4": scaled("3", 0),
        "save": save("4", 0),
    }
    found = await told(page, graph)
    assert [used for _, _, used in found] == [[("parentOf", names[0])], [("parentOf", names[1])]]


async def test_a_node_that_is_not_known_is_told_by_its_class(page: Any) -> None:
    name = await upload(page, noise(4), "hue.png")
    unknown = "ImageRGBToYUV"
    assert unknown not in {*kinds.CHANGES, *kinds.PASSES}
    graph = {"1": node("LoadImage", image=name), "2": node(unknown, image=["1", 0]), "save": save("2", 0)}
    history = await ran(page, graph)
    assert failure(history) == ""
    (each,) = history["outputs"]["save"]["images"]
    credential = read_credential(await file_of(page, each))
    assert [(action.action, action.software_agent) for action in credential.actions] == [
        ("c2pa.opened", None),
        ("c2pa.edited", unknown),
    ]


async def test_every_class_that_is_known_is_one_of_this_comfyui(page: Any) -> None:
    """A name that is not there any more would be a fact about nothing."""
    there = await page.json("GET", "/object_info")
    known = {*kinds.FILES, *kinds.EMPTY, *kinds.DRAWN, *kinds.SAMPLERS, *kinds.PASSES, *kinds.CHANGES, *kinds.HOSTED}
    assert sorted(known - there.keys()) == []
    for name, change in kinds.CHANGES.items():
        inputs = {**there[name]["input"].get("required", {}), **there[name]["input"].get("optional", {})}
        assert {change.of, *change.places} <= inputs.keys(), name
