"""Prompts that mean harm or are merely absurd, put to a real ComfyUI with the pack in it: it stays whole and serves on.

``tests/nodes/test_hostile.py`` puts the same to the runner. ``is_changed`` is in ``test_worker.py``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mintmark.provenance.reading import read as read_credential
from mintmark.tests.contracts.hostile import OUTSIDE_PREFIXES, OUTSIDE_VIEWS, SAVERS, everything, inverted

pytestmark = [
    pytest.mark.comfyui,
    pytest.mark.skipif(not os.environ.get("COMFYUI_PATH"), reason="not run: COMFYUI_PATH is not set"),
]


async def refusal(page: Any, graph: dict[str, Any]) -> str:
    async with page.http.post(f"{page.comfy.url}/prompt", json={"prompt": graph}) as answer:
        assert answer.status == 400
        return str(await answer.text())


async def test_ten_thousand_nodes_in_a_row_are_refused_and_the_next_prompt_runs(page: Any, graph: Any) -> None:
    # It validates by recursion; the runner runs such a graph.
    assert "RecursionError" in await refusal(page, inverted(10_000))
    assert (await page.run(graph()))["status"]["status_str"] == "success"


async def test_a_cycle_is_refused_by_name(page: Any) -> None:
    graph = inverted(3)
    graph["1"]["inputs"]["image"] = ["2", 0]
    assert "dependency_cycle" in await refusal(page, graph)


async def test_a_prompt_of_a_hundred_megabytes_is_refused_and_the_next_one_runs(page: Any, graph: Any) -> None:
    async def endless() -> Any:
        for _ in range(102):
            yield b" " * 1024 * 1024

    async with page.http.post(f"{page.comfy.url}/prompt", data=endless()) as answer:
        assert answer.status == 413
    assert (await page.run(graph()))["status"]["status_str"] == "success"


@pytest.mark.parametrize("prefix", OUTSIDE_PREFIXES)
@pytest.mark.parametrize("saver", SAVERS)
async def test_a_prefix_that_leads_outside_writes_nothing(saver: str, prefix: str, page: Any) -> None:
    before = everything(page.comfy.base.parent)
    graph = inverted(2)
    graph["end"] = {"class_type": saver, "inputs": {"images": ["1", 0], "filename_prefix": prefix}}
    history = await page.run(graph)
    assert history["status"]["messages"][-1][0] == "execution_error"
    assert everything(page.comfy.base.parent) == before


@pytest.mark.parametrize(("query", "status"), OUTSIDE_VIEWS)
async def test_view_shows_nothing_outside_its_folders(query: str, status: int, page: Any) -> None:
    (page.comfy.base / "secret.txt").write_text("secret")
    async with aiohttp.ClientSession() as http, http.get(f"{page.comfy.url}/view?{query}") as answer:
        assert answer.status == status
        assert "secret" not in await answer.text()


async def test_two_projects_of_one_graph_have_receipt_credential_and_file_of_their_own(page: Any, graph: Any) -> None:
    same, jobs, told = graph(), {}, {}
    for project in ("atelier", "other"):
        jobs[project] = job = await page.open_job(project=project)
        await page.run(same, job)
    for project, job in jobs.items():
        report = await page.json("GET", f"/mintmark/jobs/{job}")
        (receipt,), (signed,) = report["receipts"], report["signed"]
        assert receipt["state"] == "settled"
        path = page.comfy.base / "output" / signed["subfolder"] / signed["filename"]
        record = read_credential(path).record or {}
        assert (record["job_id"], record["requests"]) == (job, [receipt["request_id"]])
        entries = (await page.json("GET", f"/mintmark/journal?job_id={job}"))["entries"]
        assert {each["job_id"] for each in entries} == {job}
        told[project] = (str(path), receipt["request_id"], json.dumps([report, record, entries]))
    for mine, other in (("atelier", "other"), ("other", "atelier")):
        for foreign in (jobs[other], Path(told[other][0]).name, told[other][1]):
            assert foreign not in told[mine][2], f"{mine} sees what is {other}'s"
