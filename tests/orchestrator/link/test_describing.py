"""What a worker tells of its model files, and a prompt that is taken back before it has begun."""

from __future__ import annotations

import uuid

import pytest

from mintmark.orchestrator.link import describing
from mintmark.orchestrator.link.client import WorkerLink

from ..fake_comfy import FakeComfy


async def test_files_are_told_by_folder_with_their_sizes(comfy: FakeComfy, link: WorkerLink) -> None:
    comfy.models = {"checkpoints": [{"name": "a/b.safetensors", "size": 5}, {"name": "c.ckpt", "size": "?"}], "vae": []}
    assert await link.models() == {"checkpoints": {"a/b.safetensors": 5, "c.ckpt": None}, "vae": {}}


async def test_without_sizes_names_are_told(comfy: FakeComfy, link: WorkerLink) -> None:
    comfy.tells_sizes, comfy.models = False, {"vae": [{"name": "x.pt", "size": 5}]}
    assert await link.models() == {"vae": {"x.pt": None}}


async def test_no_more_is_read_than_the_bound(
    comfy: FakeComfy, link: WorkerLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(describing, "MOST_FILES", 3)
    comfy.models = {name: [{"name": f"{name}{number}", "size": 1} for number in range(2)] for name in "abc"}
    assert sum(map(len, (await link.models()).values())) == 3


async def test_the_system_is_told_where_it_is(comfy: FakeComfy, link: WorkerLink) -> None:
    comfy.system = {"comfyui_version": "0.33.0"}
    assert (await link.system_stats())["system"] == {"comfyui_version": "0.33.0"}


async def test_only_a_prompt_that_waits_is_taken_back(comfy: FakeComfy, link: WorkerLink) -> None:
    waits, runs, unknown = (str(uuid.uuid4()) for _ in range(3))
    comfy.state = {waits: "pending", runs: "in_progress"}
    assert [await link.withdraw(each) for each in (waits, runs, unknown)] == [True, False, False]
    assert comfy.state == {runs: "in_progress"} and comfy.canceled == []
