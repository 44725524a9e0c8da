"""What a real ComfyUI shows of itself to whoever changes workers while they work."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from mintmark.errors import NotFound
from mintmark.nodes.downloads import checked_name
from mintmark.orchestrator.dispatch.warming import run_graph, show_ready
from mintmark.orchestrator.dispatch.worker import Worker
from mintmark.orchestrator.fleet.warm_graphs import ready_graph
from mintmark.orchestrator.link.client import WorkerLink

if TYPE_CHECKING:
    from .conftest import Comfy

pytestmark = [
    pytest.mark.comfyui,
    pytest.mark.skipif(not os.environ.get("COMFYUI_PATH"), reason="not run: COMFYUI_PATH is not set"),
]


async def test_it_runs_the_trial_prompt_and_what_it_has_not_is_told(comfy: Comfy) -> None:
    async with WorkerLink(comfy.url) as link:
        worker = Worker("real", link)
        assert await worker.look("sandbox"), worker.problem
        graph = ready_graph(worker.object_info)
        assert graph is not None and await run_graph(worker, graph, 120) > 0
        await show_ready(worker, [], 120)


async def test_it_fetches_nothing_that_its_operator_did_not_allow(comfy: Comfy) -> None:
    name = checked_name("tiny.safetensors")
    async with WorkerLink(comfy.url) as link:
        with pytest.raises(Exception, match="fetches no models"):
            await link.fetch_model("checkpoints", name, url="http://127.0.0.1:1/tiny.safetensors", sha256="0" * 64)
        with pytest.raises(NotFound):
            await link.fetch_model("custom_nodes", name, url="http://127.0.0.1:1/tiny.safetensors", sha256="0" * 64)
        with pytest.raises(NotFound):
            await link.fetching("checkpoints", name)
