"""The runner as a whole: it starts fast, stops clean, and lets no other site's page in."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from runner_probe import local, nodes
from runner_probe.cases import node

from mintmark.errors import BadSetting, CannotWrite, InternalError
from mintmark.runner import Runner, surface
from mintmark.runner.access import allowed

SLOW = {"1": node("ProbeSleep", seconds=60, steps=0), "2": node("ProbeShow", value=["1", 0])}


def own_tasks() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()}


async def heard(socket: aiohttp.ClientWebSocketResponse) -> list[str]:
    events = []
    while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
        events.append(str(json.loads(message.data)["type"]))
    return events


async def test_stopping_in_the_midst_of_work_leaves_no_task_thread_or_socket(tmp_path: Path, connect: Any) -> None:
    before, threads = own_tasks(), threading.active_count()
    async with aiohttp.ClientSession() as session:
        async with Runner(base_dir=tmp_path, extensions=[nodes.comfy_entrypoint], max_prompts=3) as runner:
            for n in range(5):
                graph = {**SLOW, "3": node("ProbeShow", value=f"other {n}")}
                body = {"prompt": graph, "client_id": "c"}
                async with session.post(f"{runner.url}/prompt", json=body) as reply:
                    assert reply.status == 200
            socket = await session.ws_connect(f"{runner.url}/ws?clientId=c")
            listening = asyncio.create_task(heard(socket))
        events = await asyncio.wait_for(listening, 60)
        assert events.count("execution_interrupted") == 5, "waiting and running prompts all reach an end"
        assert socket.close_code == 1001
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(f"{runner.url}/prompt")
    await asyncio.sleep(0)
    assert own_tasks() == before
    for _ in range(100):
        if threading.active_count() <= threads:
            break
        await asyncio.sleep(0.01)
    assert not [each.name for each in threading.enumerate() if each.name.startswith("mintmark-runner")]


async def test_a_stop_with_grace_lets_running_prompts_finish_and_takes_no_more(tmp_path: Path) -> None:
    runner = Runner(base_dir=tmp_path, extensions=[nodes.comfy_entrypoint], grace_s=5)
    graph = {"1": node("ProbeSleep", seconds=0.3, steps=0), "2": node("ProbeShow", value=["1", 0])}
    async with aiohttp.ClientSession() as session, runner:
        async with session.post(f"{runner.url}/prompt", json={"prompt": graph}) as reply:
            prompt_id = (await reply.json())["prompt_id"]
        leaving = asyncio.create_task(runner.prompts.close(5))
        await asyncio.sleep(0)
        async with session.post(f"{runner.url}/prompt", json={"prompt": graph}) as reply:
            assert (reply.status, (await reply.json())["error"]["type"]) == (503, "shutting_down")
        await leaving
    assert runner.prompts.history[prompt_id].outcome == "success"


async def test_serving_forever_ends_when_told(tmp_path: Path) -> None:
    async with Runner(base_dir=tmp_path, extensions=[]) as runner:
        serving = asyncio.create_task(runner.serve_forever())
        await asyncio.sleep(0)
        assert not serving.done()
        runner.stop()
        await asyncio.wait_for(serving, 60)


async def test_a_taken_port_is_told_and_nothing_is_left_running(tmp_path: Path) -> None:
    async with Runner(base_dir=tmp_path, extensions=[]) as first:
        port = int(first.url.rpartition(":")[2])
        before = own_tasks()
        with pytest.raises(CannotWrite, match=str(port)):
            async with Runner(base_dir=tmp_path, extensions=[], port=port):
                pass
        assert own_tasks() == before


async def test_two_nodes_of_one_name_are_a_defect(tmp_path: Path) -> None:
    with pytest.raises(InternalError, match="ProbeEverything"):
        async with Runner(base_dir=tmp_path, extensions=[nodes.comfy_entrypoint, nodes.comfy_entrypoint]):
            pass


async def test_what_a_pack_serves_and_sends_reaches_its_client(tmp_path: Path, connect: Any) -> None:
    async with Runner(base_dir=tmp_path, extensions=[local.LocalExtension()]) as runner:
        async with aiohttp.ClientSession(runner.url) as http, connect(http, "me") as client:
            await asyncio.to_thread(runner.host.send, "pack.event", {"n": 1}, "me")
            assert await client.until("pack.event") == {"n": 1}
            runner.host.send("pack.event", {"n": 2}, None)
            runner.host.send("pack.event", {"n": 3}, "me")
            assert await client.until("pack.event") == {"n": 3}
        assert runner.host.executing() is None
        assert runner.host.client_id() is None
        assert not runner.host.interrupted()


def test_a_fresh_process_is_ready_fast_and_small_without_torch(tmp_path: Path) -> None:
    script = """
import asyncio, json, os, pathlib, sys, time
started = time.monotonic()
from mintmark.runner import Runner
async def main():
    async with Runner(base_dir=pathlib.Path(sys.argv[1]), extensions=[]) as runner:
        ready = time.monotonic() - started
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
        heavy = [name for name in ("torch", "numpy", "PIL") if name in sys.modules]
        print(json.dumps({"ready_s": ready, "mb": pages * os.sysconf("SC_PAGE_SIZE") / 2**20, "heavy": heavy}))
asyncio.run(main())
"""
    if not Path("/proc/self/statm").exists():
        pytest.skip("this system tells a process's memory in another way")
    started = time.monotonic()
    run = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    told = json.loads(run.stdout)
    assert told["heavy"] == []
    assert told["mb"] < 120
    assert told["ready_s"] < 5, "far under a second on a quiet machine"
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("headers", "host", "passes"),
    [
        ({}, "127.0.0.1:8188", True),
        ({}, "worker.example", True),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8188"}, "127.0.0.1:8188", True),
        ({"Sec-Fetch-Site": "none"}, "localhost:8188", True),
        ({"Origin": "http://[::1]:8188"}, "[::1]:8188", True),
        ({"Origin": "http://evil.example"}, "127.0.0.1:8188", False),
        ({"Origin": "http://localhost:8188"}, "127.0.0.1:8188", False),
        ({"Origin": "null"}, "127.0.0.1:8188", False),
        ({"Sec-Fetch-Site": "cross-site"}, "127.0.0.1:8188", False),
        ({"Origin": "http://evil.example"}, "evil.example", False),
        ({"Sec-Fetch-Site": "same-origin"}, "evil.example", False),
    ],
)
def test_other_sites_pages_are_kept_out(headers: dict[str, str], host: str, passes: bool) -> None:
    assert allowed(headers, host, loopback=True) is passes


def test_bound_to_the_world_any_host_of_ones_own_passes() -> None:
    assert allowed({"Origin": "https://worker.example"}, "worker.example", loopback=False)
    assert not allowed({"Origin": "https://evil.example"}, "worker.example", loopback=False)
    assert not allowed({"Origin": "http://["}, "worker.example", loopback=False)
    assert not allowed({"Origin": "http://["}, "[", loopback=True)


async def test_a_foreign_origin_is_answered_403_on_every_route(http: aiohttp.ClientSession) -> None:
    for path in ("/queue", "/api/jobs", "/view?filename=x", "/ws", "/nowhere"):
        async with http.get(path, headers={"Origin": "http://evil.example"}) as reply:
            assert reply.status == 403


def test_the_surface_does_not_push_out_comfyuis_own(monkeypatch: pytest.MonkeyPatch) -> None:
    surface.install()
    monkeypatch.setitem(sys.modules, "comfy_api", type(sys)("comfy_api"))
    with pytest.raises(BadSetting):
        surface.install()
