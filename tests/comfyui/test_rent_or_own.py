"""Rent or Own in a real ComfyUI: what only the other branch needs is never executed."""

from __future__ import annotations

import os
from typing import Any

import pytest

from mintmark.provenance.reading import read as read_credential

from .test_saving import asking, failure, file_of, ran

pytestmark = [
    pytest.mark.comfyui,
    pytest.mark.skipif(not os.environ.get("COMFYUI_PATH"), reason="not run: COMFYUI_PATH is not set"),
]


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def graph(policy: str, seed: int, **words: Any) -> dict[str, Any]:
    chosen = {"policy": policy, **{f"policy.{name}": value for name, value in words.items()}}
    either = {"local": ["mine", 0], "hosted": ["theirs", 0], "hosted_record": ["theirs", 1]}
    return {
        # Another colour for each seed, so that nothing comes from ComfyUI's cache.
        "mine": node("EmptyImage", width=64, height=64, batch_size=1, color=seed),
        "theirs": asking(seed),
        "switch": node("MintmarkRentOrOwn", **chosen, **either),
        "save": node("MintmarkSignAndSave", images=["switch", 0], record=["switch", 1], filename_prefix="either/a"),
    }


@pytest.mark.parametrize(
    ("seed", "policy", "words", "branch"),
    [
        (7101, "by hand", {"branch": "local"}, "local"),
        (7102, "by hand", {"branch": "hosted"}, "hosted"),
        (7103, "data must stay", {}, "local"),
        (7104, "cheapest now", {"seconds": 1.0, "gpu_hour_usd": 0.5}, "local"),
        (7105, "cheapest now", {"seconds": 600.0, "gpu_hour_usd": 2.0}, "hosted"),
        (7106, "break-even", {"seconds": 6.0, "gpu_hour_usd": 1.2, "overhead_usd": 2000.0}, "hosted"),
        (7107, "shortest wait", {"most_waiting": 0}, "local"),
        (7108, "local if it fits", {"file": "none.safetensors", "vram_gb": 0.0}, "hosted"),
        (7109, "local if it fits", {"file": "", "vram_gb": 16.0}, "hosted"),
    ],
)
async def test_only_the_branch_that_the_policy_takes_is_executed(
    seed: int, policy: str, words: dict[str, Any], branch: str, page: Any
) -> None:
    history = await ran(page, graph(policy, seed, **words))
    assert failure(history) == ""
    executed = {each["data"].get("node") for each in page.events if each["type"] == "executing"}
    taken, other = ("mine", "theirs") if branch == "local" else ("theirs", "mine")
    assert taken in executed
    assert other not in executed
    (told,) = history["outputs"]["save"]["images"]
    record = read_credential(await file_of(page, told)).record
    assert record is not None
    (choice,) = record["choices"]
    assert (choice["branch"], choice["policy"]) == (branch, policy)
    assert history["outputs"]["switch"]["text"] == [f"{branch}: {choice['reason']}"]


async def test_a_choice_that_comes_from_the_cache_is_told_again(page: Any) -> None:
    asked = graph("cheapest now", 7200, seconds=600.0, gpu_hour_usd=2.0)
    for _ in range(2):
        history = await ran(page, asked)
        (told,) = history["outputs"]["save"]["images"]
        record = read_credential(await file_of(page, told)).record
        assert record is not None
        assert record["choices"][0]["branch"] == "hosted"
        assert record["model"] == "fal/flux-schnell"
