"""Queue, history and jobs: a prompt has one id, one run and one end."""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from runner_probe.cases import node

from mintmark.runner import Runner


def shown(text: str) -> dict[str, Any]:
    return {"1": node("ProbeText", text=text), "2": node("ProbeShow", value=["1", 0])}


def slow(seconds: float = 30) -> dict[str, Any]:
    return {"1": node("ProbeSleep", seconds=seconds, steps=0), "2": node("ProbeShow", value=["1", 0])}


@pytest.fixture
async def narrow(tmp_path: Path) -> Any:
    """A runner for one prompt at a time that remembers three."""
    from runner_probe import nodes

    runner = Runner(base_dir=tmp_path, extensions=[nodes.comfy_entrypoint], max_prompts=1, max_history=3)
    async with runner, aiohttp.ClientSession(runner.url) as http:
        yield http


async def answer(http: aiohttp.ClientSession, path: str) -> Any:
    async with http.get(path) as reply:
        return await reply.json()


async def test_a_posted_id_is_never_taken_again(client: Any) -> None:
    prompt_id = str(uuid.uuid4())
    await client.run(shown("once"), prompt_id=prompt_id)
    for _ in range(2):
        async with client.http.post("/prompt", json={"prompt": shown("twice"), "prompt_id": prompt_id}) as reply:
            assert reply.status == 400
            assert (await reply.json())["error"]["type"] == "duplicate_prompt_id"
    async with client.http.post("/history", json={"clear": True}):
        pass
    async with client.http.post("/prompt", json={"prompt": shown("twice"), "prompt_id": prompt_id}) as reply:
        assert reply.status == 400


async def test_of_posts_with_one_id_at_the_same_time_one_runs(client: Any) -> None:
    prompt_id = str(uuid.uuid4())

    async def post() -> int:
        async with client.http.post("/prompt", json={"prompt": shown("race"), "prompt_id": prompt_id}) as reply:
            return int(reply.status)

    assert sorted(await asyncio.gather(*(post() for _ in range(8)))) == [200] + [400] * 7


async def test_a_refused_graph_does_not_use_up_its_id(client: Any) -> None:
    prompt_id = str(uuid.uuid4())
    async with client.http.post("/prompt", json={"prompt": {"1": node("ProbeShow")}, "prompt_id": prompt_id}) as reply:
        assert reply.status == 400
    assert (await client.run(shown("now right"), prompt_id=prompt_id))["status"]["completed"]


async def test_waiting_prompts_run_by_their_number(narrow: aiohttp.ClientSession, connect: Any) -> None:
    async with connect(narrow) as client:
        await client.post(slow(0.2))
        for number, text in ((5, "five"), (2, "two"), (9, "nine")):
            await client.post(shown(text), number=number)
        await client.post(shown("front"), front=True)
        queue = await answer(narrow, "/queue")
        assert [row[0] for row in queue["queue_pending"]] == [-1, 2, 5, 9]
        heard = []
        while len(heard) < 5:
            heard.append((await client.until("executed"))["output"]["text"][0])
    assert heard[1:] == ["front", "two", "five", "nine"]


async def test_a_waiting_prompt_is_canceled_and_leaves_a_trace(narrow: aiohttp.ClientSession, connect: Any) -> None:
    async with connect(narrow) as client:
        running = (await client.post(slow()))["prompt_id"]
        waiting = [(await client.post(shown(f"w{n}")))["prompt_id"] for n in range(3)]
        assert (await answer(narrow, f"/api/jobs/{waiting[0]}"))["status"] == "pending"
        assert (await answer(narrow, f"/api/jobs/{running}"))["status"] == "in_progress"
        assert await answer(narrow, "/prompt") == {"exec_info": {"queue_remaining": 4}}
        async with narrow.post(f"/api/jobs/{waiting[0]}/cancel") as reply:
            assert await reply.json() == {"cancelled": True}
        assert (await client.until("execution_interrupted"))["prompt_id"] == waiting[0]
        async with narrow.post("/queue", json={"delete": [waiting[1]]}):
            pass
        async with narrow.post("/api/jobs/cancel", json={"job_ids": [waiting[2]]}) as reply:
            assert await reply.json() == {"cancelled": True}
        for each in waiting:
            assert (await answer(narrow, f"/api/jobs/{each}"))["status"] == "cancelled"
        async with narrow.post("/interrupt", json={"prompt_id": running}):
            pass
        await client.until("executing", node=None, prompt_id=running)
        assert await answer(narrow, "/queue") == {"queue_running": [], "queue_pending": []}


async def test_the_history_is_capped_and_paged(narrow: aiohttp.ClientSession, connect: Any) -> None:
    async with connect(narrow) as client:
        ids = []
        for n in range(5):
            entry = await client.run(shown(f"h{n}"))
            ids.append(entry["prompt"][1])
    assert list(await answer(narrow, "/history")) == ids[2:]
    assert list(await answer(narrow, "/history?max_items=1")) == ids[4:]
    assert list(await answer(narrow, "/history?max_items=1&offset=1")) == [ids[3]]
    page = await answer(narrow, "/api/jobs?limit=2&status=completed")
    assert [each["id"] for each in page["jobs"]] == [ids[4], ids[3]]
    assert page["pagination"] == {"offset": 0, "limit": 2, "total": 3, "has_more": True}
    assert (await answer(narrow, "/api/jobs?status=failed"))["jobs"] == []


@pytest.mark.parametrize(
    ("query", "error"),
    [
        (
            "status=bogus",
            "Invalid status value(s): bogus. Valid values: pending, in_progress, completed, failed, cancelled",
        ),
        ("limit=x", "limit must be an integer"),
        ("limit=0", "limit must be a positive integer"),
        ("sort_by=x", "sort_by must be 'created_at' or 'execution_duration'"),
        ("sort_order=x", "sort_order must be 'asc' or 'desc'"),
    ],
)
async def test_a_wrong_question_about_jobs_is_answered_as_comfyui_does(
    query: str, error: str, http: aiohttp.ClientSession
) -> None:
    async with http.get(f"/api/jobs?{query}") as reply:
        assert (reply.status, await reply.json()) == (400, {"error": error})


async def test_an_unknown_job_is_not_found_and_not_canceled(http: aiohttp.ClientSession) -> None:
    async with http.get("/api/jobs/nope") as reply:
        assert (reply.status, await reply.json()) == (404, {"error": "Job not found"})
    async with http.post("/api/jobs/nope/cancel") as reply:
        assert await reply.json() == {"cancelled": False}
    async with http.post("/api/jobs/cancel", json={"job_ids": ["nope"]}) as reply:
        assert await reply.json() == {"error": "job_ids contains invalid id(s)", "invalid_ids": ["nope"]}
    async with http.get("/jobs") as reply:
        assert reply.status == 404


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"junk", "invalid_json"),
        (b"[]", "invalid_json"),
        (b"[" * 200_000, "invalid_json"),
        (json.dumps({"prompt": {"nodes": [], "links": []}}).encode(), "invalid_prompt"),
        (json.dumps({"prompt": {"1": {}}, "number": "first"}).encode(), "invalid_number"),
        (json.dumps({"prompt": {"1": {"class_type": ["a"], "inputs": {}}}}).encode(), "missing_node_type"),
        (json.dumps({"prompt": {"1": {"class_type": "ProbeShow", "inputs": []}}}).encode(), None),
    ],
)
async def test_a_body_of_the_wrong_shape_is_refused_in_the_usual_form(
    body: bytes, error: str | None, http: aiohttp.ClientSession
) -> None:
    async with http.post("/prompt", data=body) as reply:
        assert reply.status == 400
        told = (await reply.json())["error"]["type"]
    assert told == (error or "prompt_outputs_failed_validation")


async def test_a_body_over_the_limit_is_refused(http: aiohttp.ClientSession) -> None:
    async with http.get("/features") as reply:
        limit = (await reply.json())["max_upload_size"]

    async def endless() -> Any:
        for _ in range(limit // 1_000_000 + 2):
            yield b" " * 1_000_000

    async with http.post("/prompt", data=endless()) as reply:
        assert reply.status == 413


async def test_credentials_sent_along_are_kept_nowhere(client: Any) -> None:
    entry = await client.run(shown("k"), extra_data={"api_key_comfy_org": "sk-12345678", "other": 1})
    assert "sk-12345678" not in json.dumps(entry)
    assert entry["prompt"][3]["other"] == 1


async def test_every_route_answers_bare_and_under_api(http: aiohttp.ClientSession) -> None:
    for path in ("/prompt", "/queue", "/history", "/object_info", "/system_stats", "/features"):
        async with http.get(path) as bare, http.get(f"/api{path}") as prefixed:
            assert (bare.status, prefixed.status) == (200, 200)
            if path != "/system_stats":
                assert await bare.json() == await prefixed.json()


async def test_a_prompt_that_is_stopped_before_its_first_step_ends_all_the_same(runner: Runner) -> None:
    prompt_id = str(uuid.uuid4())
    await runner.prompts.put(0, prompt_id, slow(), {}, ["2"])
    assert runner.prompts.interrupt(prompt_id)
    for _ in range(100):
        await asyncio.sleep(0)
    assert not runner.prompts.running
    assert runner.prompts.history[prompt_id].outcome == "interrupted"
