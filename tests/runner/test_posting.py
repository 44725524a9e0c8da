"""Prompts over the socket: for clients that take packs, by the rules of ``POST /prompt``."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import aiohttp
import pytest
from runner_probe.cases import node

from mintmark.runner import Runner

GRAPH = {"1": node("ProbeText", text="by socket"), "2": node("ProbeShow", value=["1", 0])}


async def opened(http: aiohttp.ClientSession, **flags: Any) -> tuple[aiohttp.ClientWebSocketResponse, dict[str, Any]]:
    """A socket after its hello, and what it was told of features."""
    socket = await http.ws_connect("/ws?clientId=poster")
    await socket.receive()
    await socket.send_json({"type": "feature_flags", "data": flags})
    return socket, await until(socket, "feature_flags")


async def until(socket: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    """The data of the next message of this kind."""
    while True:
        told = json.loads((await asyncio.wait_for(socket.receive(), 60)).data)
        for each in told if isinstance(told, list) else [told]:
            if each["type"] == kind:
                return dict(each["data"])


async def post(socket: aiohttp.ClientWebSocketResponse, **body: Any) -> None:
    await socket.send_json({"type": "mintmark.prompt", "data": {"client_id": "poster", **body}})


async def test_a_prompt_over_the_socket_is_answered_and_run(http: aiohttp.ClientSession) -> None:
    socket, features = await opened(http, mintmark_packs=True)
    assert features["mintmark_posts"] is True
    prompt_id = str(uuid.uuid4())
    await post(socket, prompt=GRAPH, prompt_id=prompt_id)
    told = await until(socket, "mintmark.posted")
    assert (told["prompt_id"], told["status"], told["answer"]["prompt_id"]) == (prompt_id, 200, prompt_id)
    async with http.get(f"/api/jobs/{prompt_id}") as reply:
        assert reply.status == 200
    await socket.close()


async def test_what_is_refused_over_http_is_refused_over_the_socket_in_the_same_words(
    http: aiohttp.ClientSession,
) -> None:
    socket, _ = await opened(http, mintmark_packs=True)
    prompt_id = str(uuid.uuid4())
    bodies: list[dict[str, Any]] = [
        {"prompt": {"1": node("NoSuchNode")}, "prompt_id": prompt_id},
        {"prompt_id": prompt_id},
        {"prompt": GRAPH, "prompt_id": "not one"},
    ]
    for body in bodies:
        async with http.post("/prompt", json=body) as reply:
            status, answer = reply.status, await reply.json()
        await post(socket, **body)
        told = await until(socket, "mintmark.posted")
        assert status == 400 and (told["status"], told["answer"]) == (status, answer)
    await socket.close()


async def test_an_id_is_taken_once_whichever_way_it_comes(http: aiohttp.ClientSession) -> None:
    socket, _ = await opened(http, mintmark_packs=True)
    prompt_id = str(uuid.uuid4())
    async with http.post("/prompt", json={"prompt": GRAPH, "prompt_id": prompt_id}) as reply:
        assert reply.status == 200
    await post(socket, prompt=GRAPH, prompt_id=prompt_id)
    told = await until(socket, "mintmark.posted")
    assert (told["status"], told["answer"]["error"]["type"]) == (400, "duplicate_prompt_id")
    await socket.close()


async def test_a_client_that_takes_no_packs_is_only_read(http: aiohttp.ClientSession) -> None:
    socket, features = await opened(http)
    assert "mintmark_posts" not in features
    prompt_id = str(uuid.uuid4())
    await post(socket, prompt=GRAPH, prompt_id=prompt_id)
    await socket.send_str("{")
    async with http.post("/prompt", json={"prompt": GRAPH, "client_id": "poster"}) as reply:
        assert reply.status == 200
    await until(socket, "execution_success")
    async with http.get(f"/api/jobs/{prompt_id}") as reply:
        assert reply.status == 404
    await socket.close()


async def test_a_defect_is_answered_like_one_over_http_and_the_next_prompt_is_taken(
    runner: Runner, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket, _ = await opened(http, mintmark_packs=True)
    with monkeypatch.context() as broken:
        broken.setattr(runner.prompts, "next_number", lambda **_: 1 / 0)
        await post(socket, prompt=GRAPH)
        assert (await until(socket, "mintmark.posted"))["status"] == 500
    await post(socket, prompt=GRAPH)
    assert (await until(socket, "mintmark.posted"))["status"] == 200
    await socket.close()


async def test_a_prompt_is_run_also_where_its_socket_closes_at_once(http: aiohttp.ClientSession) -> None:
    socket, _ = await opened(http, mintmark_packs=True)
    for text in ('{"type": "mintmark.prompt"', '{"type": "mintmark.prompt", "data": 5}'):
        await socket.send_str(text)  # nothing comes of these
    prompt_id = str(uuid.uuid4())
    await post(socket, prompt=GRAPH, prompt_id=prompt_id)
    await socket.close()
    for _ in range(600):
        async with http.get(f"/history/{prompt_id}") as reply:
            if prompt_id in await reply.json():
                return
        await asyncio.sleep(0.05)
    raise AssertionError("it was never run")
