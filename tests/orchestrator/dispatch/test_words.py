"""In a graph without our nodes nobody but the service reads the words: what its text encoders are given."""

from __future__ import annotations

import asyncio
import json
import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mintmark.orchestrator.dispatch.news import PreviewShown
from mintmark.orchestrator.jobs.states import State

from ..fake_comfy import FakeComfy
from ..house import ServiceHouse, service_house
from .gpu import NODES as DRAWING
from .gpu import added, draw, gpu, until

NODES = {
    **DRAWING,
    "Encode": {"input": {"required": {"text": ["STRING", {}]}}, "output": ["CONDITIONING"]},
    "Hold": {"input": {"required": {"value": ["STRING", {}]}}, "output": ["STRING"]},
    "Sample": {
        "input": {"required": {"positive": ["CONDITIONING", {}], "negative": ["CONDITIONING", {}]}},
        "output": ["IMAGE"],
    },
}


HELD = {"node": "3", "input": "value"}


def workflow(held: str = "x", negative: str = "blurry") -> dict[str, Any]:
    """A plain graph: one text comes through a node that holds it, the other says what is to be left out."""
    return {
        "format": 1,
        "name": "sampling",
        "version": "1.0.0",
        "title": "Sampling",
        "lane": "gpu",
        "inputs": [{"name": "held", "title": "Held", "type": "string", "default": held, "binds": [HELD]}],
        "outputs": [{"name": "images", "node": "2", "kind": "images"}],
        "requires": {"nodes": ["Encode", "Hold", "Sample", "Save"]},
        "graph": {
            "3": {"class_type": "Hold", "inputs": {"value": held}},
            "4": {"class_type": "Encode", "inputs": {"text": ["3", 0]}},
            "5": {"class_type": "Encode", "inputs": {"text": negative}},
            "1": {"class_type": "Sample", "inputs": {"positive": ["4", 0], "negative": ["5", 0]}},
            "2": {"class_type": "Save", "inputs": {"images": ["1", 0]}},
        },
    }


async def ready(house: ServiceHouse, comfy: FakeComfy, graph: dict[str, Any]) -> None:
    comfy.object_info = NODES
    await added(house, comfy, "one")
    await asyncio.to_thread(house.service.releases.publish, graph)


def careful(folder: Path, *images: str, unchecked: str = "flag") -> str:
    path = folder / "careful.json"
    data = {"name": "careful", "version": "1.0.0", "prompt_checkers": ["rules", "openai"], "image_checkers": images}
    about = {"categories": {"violence": {"review_at": 0.6, "block_at": 0.9}}, "image_unchecked": unchecked}
    path.write_text(json.dumps({**data, **about}))
    return str(path)


async def test_words_that_are_fixed_in_a_graph_are_refused_before_the_job_is_accepted(house: ServiceHouse) -> None:
    async with gpu() as comfy:
        await ready(house, comfy, workflow("how to build a bomb"))
        status, problem = await house.ask("POST", "/v1/workflows/sampling/runs", {"inputs": {}})
        assert (status, problem["code"]) == (422, "prompt_blocked")
        assert comfy.posted == []


async def test_what_a_service_alone_finds_is_refused_before_the_prompt_is_posted(tmp_path: Path) -> None:
    async with service_house(tmp_path, settings={"policy": careful(tmp_path, "openai")}) as house, gpu() as comfy:
        await ready(house, comfy, workflow())
        job = await house.submit("sampling", values={"held": "a massacre"})
        ended = await house.ended(job.job_id)
        assert ended.failure is not None
        assert (ended.state, ended.failure.code) == (State.FAILED, "prompt_blocked")
        assert comfy.posted == []


async def test_words_for_review_hold_back_what_was_made_of_them(tmp_path: Path) -> None:
    async with service_house(tmp_path, settings={"policy": careful(tmp_path, "openai")}) as house, gpu() as comfy:
        await ready(house, comfy, workflow())
        job = await house.submit("sampling", values={"held": "a bloody knight"})

        async def is_posted() -> bool:
            return job.job_id in comfy.posted

        await until(is_posted)
        draw(comfy, job.job_id)
        ended = await house.ended(job.job_id)
        (output,) = ended.outputs
        assert output.verdict is not None
        assert (ended.state, output.verdict["decision"], output.withheld) == (State.SUCCEEDED, "review", True)


async def test_what_is_to_be_left_out_is_no_wish(tmp_path: Path) -> None:
    async with service_house(tmp_path, settings={"policy": careful(tmp_path, "openai")}) as house, gpu() as comfy:
        await ready(house, comfy, workflow(negative="gore, nsfw, naked"))
        status, answer = await house.ask("POST", "/v1/workflows/sampling/runs", {"inputs": {"held": "a fox"}})
        assert status == 202, answer

        async def is_posted() -> bool:
            return answer["job_id"] in comfy.posted

        await until(is_posted)
        draw(comfy, answer["job_id"])
        (output,) = (await house.ended(answer["job_id"])).outputs
        assert output.verdict is not None
        assert output.verdict["decision"] == "allowed"


@pytest.mark.parametrize(
    ("checkers", "unchecked", "held", "seen"),
    [
        (["openai"], "flag", "a fox", True),
        ([], "flag", "a fox", True),
        (["image-classifier"], "flag", "a fox", True),
        (["image-classifier"], "review", "a fox", False),
        ([], "flag", "a bloody knight", False),
    ],
    ids=["allowed", "nobody is to look", "nobody can look", "a person has to look", "for review by its words"],
)
async def test_a_sampler_s_preview_is_shown_where_the_policy_allows_it(
    checkers: list[str], unchecked: str, held: str, seen: bool, tmp_path: Path
) -> None:
    policy = careful(tmp_path, *checkers, unchecked=unchecked)
    async with service_house(tmp_path, settings={"policy": policy}) as house, gpu() as comfy:
        await ready(house, comfy, workflow())
        job = await house.submit("sampling", values={"held": held}, previews=True)

        async def is_posted() -> bool:
            return job.job_id in comfy.posted

        await until(is_posted)
        async with house.service.news.listen(job.job_id, PreviewShown) as facts:
            await comfy.show(preview(job.job_id))
            fact = await facts.next(3.0 if seen else 1.0)
        assert (fact is not None) == seen
        draw(comfy, job.job_id)
        assert (await house.ended(job.job_id)).state == State.SUCCEEDED


def preview(job_id: str) -> bytes:
    """A frame as ComfyUI sends one of its sampler."""
    file = BytesIO()
    Image.new("RGB", (64, 64), "teal").save(file, "JPEG")
    about = json.dumps({"prompt_id": job_id, "node_id": "1", "image_type": "image/jpeg"}).encode()
    return struct.pack(">II", 4, len(about)) + about + file.getvalue()
