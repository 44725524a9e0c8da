"""How prompts run: together, once each, stoppable, and never at another's cost."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from runner_probe.cases import node

from mintmark.runner import Runner


def shown(name: str, **inputs: Any) -> dict[str, Any]:
    return {"1": node(name, **inputs), "2": node("ProbeShow", value=["1", 0])}


async def test_two_hundred_waiting_prompts_finish_together(client: Any) -> None:
    started = time.monotonic()
    posted = [await client.post(shown("ProbeSleep", seconds=0.5 + n / 1e6, steps=0)) for n in range(200)]
    waiting = {each["prompt_id"] for each in posted}
    while waiting:
        waiting.discard((await client.until("executing", node=None))["prompt_id"])
    assert time.monotonic() - started < 5, "one after another they would take 100 s"


async def test_nodes_of_one_prompt_that_do_not_need_each_other_wait_together(client: Any) -> None:
    graph = {str(n): node("ProbeSleep", seconds=0.3 + n / 1e6, steps=0) for n in range(10)}
    graph |= {f"show {n}": node("ProbeShow", value=[str(n), 0]) for n in range(10)}
    started = time.monotonic()
    assert (await client.run(graph))["status"]["completed"]
    assert time.monotonic() - started < 2


async def test_equal_nodes_of_one_graph_run_once(client: Any) -> None:
    same = {"1": node("ProbeSleep", seconds=0.1, steps=0), "2": node("ProbeSleep", seconds=0.1, steps=0)}
    await client.post({**same, "3": node("ProbeJoined", values=["1", 0], glue=["2", 0]), "4": node("ProbeSaved")})
    executing = []
    while True:
        data = await client.until("executing")
        if data["node"] is None:
            break
        executing.append(data["node"])
    assert len({"1", "2"} & set(executing)) == 0, "no output needs them"
    await client.post({**same, "3": node("ProbeShow", value=["1", 0]), "4": node("ProbeShow", value=["2", 0])})
    executing = []
    while (data := await client.until("executing"))["node"] is not None:
        executing.append(data["node"])
    assert len([each for each in executing if each in ("1", "2")]) == 1


async def test_equal_work_of_two_prompts_runs_once_and_both_get_it(client: Any) -> None:
    graph = shown("ProbeSleep", seconds=0.3, steps=2)
    first, second = (await client.post(graph))["prompt_id"], (await client.post(graph))["prompt_id"]
    ran: list[tuple[str, str]] = []
    done: set[str] = set()
    while len(done) < 2:
        data = await client.until("executing")
        if data["node"] is None:
            done.add(data["prompt_id"])
        elif data["node"] == "1":
            ran.append((data["prompt_id"], data["node"]))
    assert done == {first, second}
    assert len(ran) == 1


async def test_work_that_is_waited_for_is_taken_over_when_its_prompt_is_stopped(client: Any) -> None:
    graph = shown("ProbeSleep", seconds=0.3, steps=0)
    first = (await client.post(graph))["prompt_id"]
    second = (await client.post(graph))["prompt_id"]
    await client.until("executing", node="1", prompt_id=first)
    async with client.http.post("/interrupt", json={"prompt_id": first}):
        pass
    await client.until("execution_success", prompt_id=second)


async def test_an_interrupted_node_is_over_within_half_a_second(client: Any) -> None:
    prompt_id = (await client.post(shown("ProbeSleep", seconds=60, steps=0)))["prompt_id"]
    await client.until("executing", node="1")
    started = time.monotonic()
    async with client.http.post(f"/api/jobs/{prompt_id}/cancel") as reply:
        assert await reply.json() == {"cancelled": True}
    told = await client.until("execution_interrupted")
    assert time.monotonic() - started < 0.5
    assert (told["node_id"], told["node_type"], told["executed"]) == ("1", "ProbeSleep", [])
    await client.until("executing", node=None)
    async with client.http.get(f"/api/jobs/{prompt_id}") as reply:
        assert (await reply.json())["status"] == "cancelled"
    async with client.http.post(f"/api/jobs/{prompt_id}/cancel") as reply:
        assert await reply.json() == {"cancelled": False}


async def test_a_node_that_clings_to_its_work_does_not_hold_up_the_interruption(client: Any) -> None:
    prompt_id = (await client.post(shown("ProbeStubborn", seconds=1.0)))["prompt_id"]
    await client.until("executing", node="1")
    started = time.monotonic()
    async with client.http.post("/interrupt", json={"prompt_id": prompt_id}):
        pass
    await client.until("execution_interrupted")
    assert time.monotonic() - started < 0.6


async def test_a_plain_node_at_work_stalls_neither_the_server_nor_other_prompts(client: Any) -> None:
    await client.post(shown("ProbeBusy", seconds=0.8))
    await client.until("executing", node="1")
    started = time.monotonic()
    async with client.http.get("/queue") as reply:
        assert len((await reply.json())["queue_running"]) == 1
    waiting = await client.post({"1": node("ProbeSleep", seconds=0.0, steps=1), "2": node("ProbeFrames", count=1)})
    await client.until("executing", node=None, prompt_id=waiting["prompt_id"])
    assert time.monotonic() - started < 0.6


async def test_an_interrupted_plain_node_lets_its_prompt_end_at_once(client: Any) -> None:
    await client.post(shown("ProbeBusy", seconds=0.8))
    await client.until("executing", node="1")
    started = time.monotonic()
    async with client.http.post("/interrupt"):
        pass
    await client.until("execution_interrupted")
    assert time.monotonic() - started < 0.5


async def test_a_failed_node_stops_its_neighbours(client: Any) -> None:
    graph = {"1": node("ProbeSleep", seconds=30, steps=0), "2": node("ProbeShow", value=["1", 0])}
    entry = await client.run({**graph, "3": node("ProbeFail", message="early")})
    assert [name for name, _ in entry["status"]["messages"]][-1] == "execution_error"


async def test_a_chain_of_ten_thousand_nodes_runs_and_is_stopped_without_harm(client: Any) -> None:
    graph = {"0": node("ProbeSleep", seconds=0, steps=0)}
    for n in range(1, 10_000):
        graph[str(n)] = node("ProbeSleep", seconds=0, steps=0, value=[str(n - 1), 0])
    graph["end"] = node("ProbeShow", value=["9999", 0])
    assert (await client.run(graph))["status"]["completed"]
    graph["0"] = node("ProbeSleep", seconds=60, steps=0)
    prompt_id = (await client.post(graph))["prompt_id"]
    await client.until("executing", node="0", prompt_id=prompt_id)
    async with client.http.post("/interrupt"):
        pass
    await client.until("execution_interrupted", prompt_id=prompt_id)


async def test_a_node_sees_what_it_executes_for_also_in_its_fingerprint(client: Any) -> None:
    posted = await client.post({"1": node("ProbeContext"), "2": node("ProbeShow", value=["1", 0])})
    told = await client.until("executed", node="2")
    expected = [posted["prompt_id"], "1", client.client_id]
    assert json.loads(told["output"]["text"][0]) == {"fingerprint": expected, "execute": expected}


async def test_the_cache_gives_up_the_oldest_when_it_is_full(tmp_path: Path, connect: Any) -> None:
    from runner_probe import nodes

    small = Runner(base_dir=tmp_path, extensions=[nodes.comfy_entrypoint], cache_bytes=40_000)
    async with small as runner, aiohttp.ClientSession(runner.url) as http, connect(http) as client:
        for width in (30, 31, 32, 33):
            await client.run(
                {"1": node("ProbePicture", width=width, height=50, batch=1), "2": node("ProbeShow", value=["1", 0])}
            )
            assert runner.cache.bytes <= 40_000
        for width, kept in ((33, ["1", "2"]), (30, [])):
            await client.post(
                {"1": node("ProbePicture", width=width, height=50, batch=1), "2": node("ProbeShow", value=["1", 0])}
            )
            assert (await client.until("execution_cached"))["nodes"] == kept


async def test_free_empties_the_cache(runner: Runner, client: Any) -> None:
    await client.run(shown("ProbeText", text="kept"))
    assert len(runner.cache) > 0
    async with client.http.post("/free", json={"free_memory": True}) as reply:
        assert reply.status == 200
    assert len(runner.cache) == 0


async def test_a_secret_in_an_exception_does_not_reach_the_client(client: Any) -> None:
    from mintmark import log

    log.hide("sk-very-secret-value-123456")
    entry = await client.run({"1": node("ProbeFail", message="key sk-very-secret-value-123456 refused")})
    assert "sk-very-" not in json.dumps(entry["status"])


async def test_the_meta_of_a_cached_output_names_the_node_of_this_graph(client: Any) -> None:
    await client.run(shown("ProbeText", text="m"))
    entry = await client.run({"8": node("ProbeText", text="m"), "9": node("ProbeShow", value=["8", 0])})
    assert entry["meta"]["9"]["node_id"] == "9"


@pytest.mark.parametrize("count", [1, 5])
async def test_a_prompt_without_a_client_tells_nobody(count: int, client: Any) -> None:
    for n in range(count):
        async with client.http.post("/prompt", json={"prompt": shown("ProbeText", text=f"quiet {n}")}) as reply:
            assert reply.status == 200
    prompt_id = (await client.post(shown("ProbeText", text="loud")))["prompt_id"]
    while True:
        message = await asyncio.wait_for(client.socket.receive_json(), 60)
        assert message["type"] == "status" or message["data"]["prompt_id"] == prompt_id
        if message["type"] == "execution_success":
            break


@pytest.mark.parametrize(
    ("where", "end"),
    [("execute", "execution_error"), ("thread", "execution_error"), ("fingerprint", "execution_success")],
)
async def test_a_node_that_exits_the_process_only_fails_its_prompt(where: str, end: str, client: Any) -> None:
    entry = await client.run(shown("ProbeExit", where=where))
    assert entry["status"]["messages"][-1][0] == end
    assert (await client.run(shown("ProbeText", text="still here")))["status"]["completed"]


async def test_a_check_that_exits_the_process_only_refuses_its_graph(client: Any) -> None:
    async with client.http.post("/prompt", json={"prompt": shown("ProbeExit", where="validate")}) as reply:
        assert reply.status == 400
        errors = (await reply.json())["node_errors"]["1"]["errors"]
    assert errors[0]["extra_info"]["exception_type"] == "SystemExit"
