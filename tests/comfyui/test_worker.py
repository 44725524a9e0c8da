"""A real ComfyUI as a worker: the same record and cost as the runner, errors with their code, and interruptions."""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mintmark.generation.context import LINK
from mintmark.provenance.reading import read as read_credential

pytestmark = [
    pytest.mark.comfyui,
    pytest.mark.skipif(not os.environ.get("COMFYUI_PATH"), reason="not run: COMFYUI_PATH is not set"),
]
CONTROL_BACK_S = 2.0


def run(comfy: Any, folder: Path, *arguments: str) -> tuple[int, Any]:
    sizes = ("--set", "width=256", "--set", "height=256", "--set", "seed=20261121")
    out = ("-o", str(folder / "out"))
    return comfy.mintmark(  # type: ignore[no-any-return]
        "run", "text-to-image", *sizes, *out, *arguments, MINTMARK_DATA_DIR=str(folder / "data")
    )


def masked(result: dict[str, Any]) -> dict[str, Any]:
    """A result and its file's record without what names one run: ids, times, paths, and who made the certificate."""
    (output,) = result["outputs"]
    record = read_credential(Path(output["path"])).record or {}
    for name in ("job_id", "made_at", "provider_ms", "requests"):
        assert record.pop(name), name
    (receipt,) = result["receipts"]
    assert receipt.pop("call_id")
    assert receipt.pop("request_id")
    with Image.open(output["path"]) as image:
        pixels = image.convert("RGB").tobytes()
    kept = ("status", "workflow", "total_microusd")
    facts = {name: output[name] for name in ("media_type", "width", "height", "verdict")}
    return {"record": record, "receipt": receipt, "output": facts, "pixels": pixels} | {k: result[k] for k in kept}


def test_a_real_comfyui_gives_the_record_and_the_cost_that_the_runner_gives(comfy: Any, tmp_path: Path) -> None:
    code, there = run(comfy, tmp_path / "there", "--worker", comfy.url)
    assert code == 0, there
    assert there["worker"] == comfy.url
    code, here = run(comfy, tmp_path / "here")
    assert code == 0, here
    assert masked(there) == masked(here)
    assert there["total_microusd"] > 0
    assert there["outputs"][0]["credential"]["state"] == "valid"


def test_a_prompt_block_comes_back_with_its_code(comfy: Any, tmp_path: Path) -> None:
    code, answer = run(comfy, tmp_path, "--worker", comfy.url, "--set", "prompt=hardcore porn")
    assert (code, answer["error"]["code"]) == (1, "prompt_blocked")


async def test_a_provider_block_comes_back_with_its_code(page: Any, tmp_path: Path) -> None:
    await page.fault(provider="fal", kind="policy_input", count=1)
    prompt = ("--set", f"prompt=a paper boat {uuid.uuid4().hex}")
    code, answer = await asyncio.to_thread(run, page.comfy, tmp_path, "--worker", page.comfy.url, *prompt)
    assert (code, answer["error"]["code"]) == (1, "provider_blocked")


async def test_an_error_of_a_node_names_its_code_and_holds_no_key(page: Any, graph: Any) -> None:
    await page.fault(provider="fal", kind="status", status=401, count=1)
    history = await page.run(graph(), await page.open_job())
    (error,) = [data for kind, data in history["status"]["messages"] if kind == "execution_error"]
    assert "[provider_auth]" in error["exception_message"]
    told = json.dumps([page.events, history]) + page.comfy.log.read_text(errors="replace")
    assert "sk-canary" not in told
    assert "5f1e0c9a" not in told


async def _interrupt(page: Any) -> float:
    """Interrupt, and the seconds until the page hears that it happened."""
    started = time.monotonic()
    async with page.http.post(f"{page.comfy.url}/interrupt") as answer:
        assert answer.status == 200
    await page.until("execution_interrupted")
    return time.monotonic() - started


@pytest.mark.parametrize("nodes", [1, 2])
async def test_an_interrupted_call_is_canceled_there_and_costs_nothing(nodes: int, page: Any, graph: Any) -> None:
    before = await page.sandbox("bill")
    job = await page.open_job()
    await page.post(graph(nodes=nodes), job)
    await page.journal("accepted", count=nodes)
    assert await _interrupt(page) < CONTROL_BACK_S
    await page.journal("released", count=nodes)
    report = await page.json("GET", f"/mintmark/jobs/{job}")
    assert report["receipts"] == []
    assert (report["allowance"]["held_microusd"], report["allowance"]["settled_microusd"]) == (0, 0)
    assert await page.sandbox("bill") == before
    assert (await page.run(graph(), await page.open_job()))["status"]["status_str"] == "success"


async def test_an_interrupted_call_that_cannot_be_canceled_keeps_its_hold(page: Any, graph: Any) -> None:
    job = await page.open_job()
    large = {"width": 1024, "height": 1024}
    await page.post(graph(model="openai/gpt-image-1.5", **large), job)
    await page.journal("asking")
    assert await _interrupt(page) < CONTROL_BACK_S
    await page.journal("unknown")
    (receipt,) = (await page.json("GET", f"/mintmark/jobs/{job}"))["receipts"]
    assert receipt["state"] == "unknown"
    assert (await page.run(graph(), await page.open_job()))["status"]["status_str"] == "success"


async def test_the_journal_is_told_over_the_websocket_as_it_grows(page: Any, graph: Any) -> None:
    job = await page.open_job()
    await page.run(graph(), job)
    kept = (await page.json("GET", f"/mintmark/journal?job_id={job}"))["entries"]
    await page.journal("signed")
    assert page.entries() == kept
    assert [each["kind"] for each in kept] == [
        *("verdict", "held", "asking", "accepted", "settled", "stored", "verdict", "signed")
    ]


async def test_a_graph_run_by_hand_is_booked_in_comfyuis_own_user_folder(page: Any, graph: Any) -> None:
    history = await page.run(graph())
    (saved,) = history["outputs"]["10"]["mintmark"]
    assert page.entries() == [], "nobody follows the journal of a graph run by hand"
    folder = page.comfy.base / "user" / "mintmark"
    code, lines = await asyncio.to_thread(
        page.comfy.mintmark, "ledger", "list", "--limit", "1", MINTMARK_DATA_DIR=str(folder)
    )
    assert code == 0
    assert lines[0]["request_id"] == saved["record"]["requests"][0]
    assert lines[0]["microusd"] == saved["record"]["cost_microusd"] > 0


async def test_two_prompts_queued_back_to_back_with_one_seed_cost_once(page: Any, graph: Any) -> None:
    asked = len(await page.sandbox("calls"))
    same = graph(seed=uuid.uuid4().int % 2**31)
    first, second = await page.post(same), await page.post(same)
    await page.until("executing", node=None, prompt_id=first)
    await page.until("executing", node=None, prompt_id=second)
    assert len(await page.sandbox("calls")) == asked + 1
    files = []
    for prompt in (first, second):
        (saved,) = (await page.json("GET", f"/history/{prompt}"))[prompt]["outputs"]["10"]["mintmark"]
        assert saved["record"]["job_id"] == prompt
        files.append(saved["filename"])
    assert len(set(files)) == 2


async def test_another_project_asks_again_on_the_same_worker(page: Any, graph: Any) -> None:
    asked = len(await page.sandbox("calls"))
    same = graph(seed=uuid.uuid4().int % 2**31)
    await page.run(same, await page.open_job(project="one"))
    await page.run(same, await page.open_job(project="one"))
    assert len(await page.sandbox("calls")) == asked + 1
    await page.run(same, await page.open_job(project="two"))
    assert len(await page.sandbox("calls")) == asked + 2


async def test_nobody_gets_another_projects_result_by_naming_its_fingerprint(page: Any, graph: Any) -> None:
    asked = len(await page.sandbox("calls"))
    same = graph(seed=uuid.uuid4().int % 2**31)
    await page.run(same, await page.open_job(project="one"))
    same["1"]["is_changed"] = [json.dumps(["one", "standard", "sandbox"])]
    history = await page.run(same, await page.open_job(project="two"))
    assert len(await page.sandbox("calls")) == asked + 2
    assert "cached_of" not in history["outputs"]["10"]["mintmark"][0]["record"]


async def test_edited_pixels_are_told_as_edited_also_from_a_tensor(page: Any, graph: Any) -> None:
    edited = graph()
    edited["5"] = {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}}
    edited["10"]["inputs"]["images"] = ["5", 0]
    history = await page.run(edited)
    assert history["status"]["status_str"] == "success", history["status"]
    (shown,) = history["outputs"]["10"]["images"]
    credential = read_credential(page.comfy.base / "output" / shown["subfolder"] / shown["filename"])
    assert [each.action for each in credential.actions] == ["c2pa.opened", "c2pa.adjustedColor"]
    assert [each.relationship for each in credential.ingredients] == ["parentOf"]


async def test_a_prompt_whose_client_promised_a_context_never_runs_without_one(page: Any, graph: Any) -> None:
    asked = len(await page.sandbox("calls"))
    job, body = str(uuid.uuid4()), {"prompt": graph(), "client_id": f"{LINK}{uuid.uuid4().hex}"}
    # Its socket does not even need to be there: the refusal is in the history.
    await page.json("POST", "/prompt", json={**body, "prompt_id": job})
    history = await finished(page, job)
    assert "[context_missing]" in str(history["status"]["messages"][-1])
    async with page.http.get(f"{page.comfy.url}/mintmark/jobs/{job}") as answer:
        assert answer.status == 404
    assert len(await page.sandbox("calls")) == asked
    job = await page.open_job(project="boats")
    await page.json("POST", "/prompt", json={**body, "prompt_id": job})
    assert (await finished(page, job))["status"]["status_str"] == "success"


async def finished(page: Any, job: str) -> dict[str, Any]:
    """The history of a prompt that another client sent, once it is there."""
    while job not in (history := await page.json("GET", f"/history/{job}")):
        await asyncio.sleep(0.1)
    return dict(history[job])


async def test_the_worker_tells_what_it_computes_on_and_holds(page: Any) -> None:
    health = await page.json("GET", "/mintmark/worker")
    stats = await page.json("GET", "/system_stats")
    names = ("name", "type", "vram_total")
    assert [{name: each[name] for name in names} for each in health["devices"]] == [
        {name: each[name] for name in names} for each in stats["devices"]
    ]
    assert all(0 < each["vram_free"] <= each["vram_total"] for each in health["devices"])
    assert (health["models_in_memory"], health["models_known"]) == ([], True)


async def test_the_worker_says_what_it_is(page: Any) -> None:
    health = await page.json("GET", "/mintmark/worker")
    assert (health["kind"], health["mode"], health["prompt_thread_alive"]) == ("comfyui", "sandbox", True)
    assert {"fal", "openai"} <= set(health["providers"])
