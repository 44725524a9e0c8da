"""The websocket: one peer's trouble is its own, and a client that comes back hears again."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from typing import Any
from unittest.mock import patch

import aiohttp
from runner_probe.cases import node
from yarl import URL

from mintmark.runner import Runner, ends
from mintmark.runner.socket import OUTBOX_BYTES, Peer


def shown(text: str) -> dict[str, Any]:
    return {"1": node("ProbeText", text=text), "2": node("ProbeShow", value=["1", 0])}


def stalled(url: str, client_id: str) -> socket.socket:
    """A raw peer that upgrades to a websocket and then never reads."""
    at = URL(url)
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect((at.host, at.port))
    lines = [
        f"GET /ws?clientId={client_id} HTTP/1.1",
        f"Host: {at.host}:{at.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ]
    raw.sendall("\r\n".join([*lines, "", ""]).encode())
    return raw


async def test_a_peer_that_stops_reading_silences_nobody_and_is_cut_off(runner: Runner, client: Any) -> None:
    with stalled(runner.url, "frozen") as raw:
        big = "x" * 1_000_000
        for n in range(OUTBOX_BYTES // len(big) + 12):
            body = {"prompt": shown(f"{n} {big}"), "client_id": "frozen"}
            async with client.http.post("/prompt", json=body) as reply:
                assert reply.status == 200
            if n % 5 == 0:
                assert (await client.run(shown(f"mine {n}")))["status"]["completed"]
        raw.settimeout(10)

        def read_to_the_end() -> bool:
            try:
                while raw.recv(1 << 20):
                    pass
            except ConnectionResetError:
                pass
            return True

        assert await asyncio.to_thread(read_to_the_end)
    assert (await client.run(shown("after")))["status"]["completed"]


async def test_a_client_that_reconnects_before_its_old_socket_closed_hears_its_events(
    http: aiohttp.ClientSession, connect: Any
) -> None:
    async with connect(http, "same") as old, connect(http, "same") as new:
        await old.socket.close()
        assert (await new.run(shown("heard")))["status"]["completed"]


async def test_a_client_that_comes_back_is_told_what_executes(http: aiohttp.ClientSession, connect: Any) -> None:
    async with connect(http, "gone") as client:
        await client.post({"1": node("ProbeSleep", seconds=0.4, steps=0), "2": node("ProbeShow", value=["1", 0])})
        await client.until("executing", node="1")
    async with connect(http, "gone") as client:
        assert await client.until("executing") == {"node": "1"}
        await client.until("execution_success")


async def test_a_socket_without_a_client_id_gets_one(http: aiohttp.ClientSession) -> None:
    async with http.ws_connect("/api/ws") as opened:
        hello = await opened.receive_json()
    assert hello["type"] == "status"
    assert hello["data"]["status"] == {"exec_info": {"queue_remaining": 0}}
    assert len(hello["data"]["sid"]) == 32


async def test_feature_flags_are_answered_as_the_first_message_only(http: aiohttp.ClientSession) -> None:
    async with http.ws_connect("/ws?clientId=f") as opened, http.get("/features") as reply:
        await opened.receive_json()
        await opened.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
        assert await opened.receive_json() == {"type": "feature_flags", "data": await reply.json()}
        await opened.send_str("not json")
        await opened.send_json({"type": "feature_flags", "data": {}})
        async with http.post("/queue", json={"clear": True}):
            pass
        with_silence = asyncio.create_task(opened.receive())
        done, _ = await asyncio.wait([with_silence], timeout=0.05)
        with_silence.cancel()
        assert not done


async def test_every_socket_hears_of_the_queue(http: aiohttp.ClientSession, client: Any, connect: Any) -> None:
    async with connect(http, "bystander") as bystander:
        await client.post(shown("status"))
        heard = [(await bystander.until("status"))["status"]["exec_info"]["queue_remaining"] for _ in range(2)]
    assert heard == [1, 0]


async def test_a_peer_that_is_behind_gets_the_latest_progress_alone() -> None:
    class Sent:
        def __init__(self) -> None:
            self.messages: list[str] = []
            self.go = asyncio.Event()

        async def send_str(self, message: str) -> None:
            await self.go.wait()
            self.messages.append(message)

    sent = Sent()
    peer = Peer("slow", sent, lambda: None)  # type: ignore[arg-type]
    writer = asyncio.create_task(peer.write())
    peer.push("first")
    await asyncio.sleep(0)
    for n in range(100):
        peer.push(json.dumps([n, "y" * 10_000]), "prompt")
    peer.push("last")
    sent.go.set()
    while not sent.messages or sent.messages[-1] != "last":
        await asyncio.sleep(0)
    writer.cancel()
    assert sent.messages[0] == "first"
    assert json.loads(sent.messages[-2])[0] == 99
    assert len(sent.messages) < 40


async def test_the_socket_agrees_to_no_compression(http: aiohttp.ClientSession) -> None:
    async with http.ws_connect("/ws?clientId=c", compress=15) as opened:
        assert opened.compress == 0
        assert (await opened.receive_json())["type"] == "status"


async def packed(socket: aiohttp.ClientWebSocketResponse, kind: str) -> list[dict[str, Any]]:
    """All messages up to the first of this kind."""
    told: list[dict[str, Any]] = []
    while not any(each["type"] == kind for each in told):
        came = json.loads((await asyncio.wait_for(socket.receive(), 60)).data)
        assert isinstance(came, list)
        told += came
    return told


async def test_a_client_that_takes_packs_hears_an_end_with_all_that_it_left(http: aiohttp.ClientSession) -> None:
    saved = {
        "1": node("EmptyImage", width=64, height=64, batch_size=1, color=255),
        "2": node("SaveImage", images=["1", 0], filename_prefix="deep/blue"),
        "3": node("PreviewImage", images=["1", 0]),
    }
    async with http.ws_connect("/ws?clientId=packs") as socket:
        await socket.receive()
        await socket.send_json({"type": "feature_flags", "data": {"mintmark_packs": True}})
        await packed(socket, "feature_flags")
        async with http.post("/prompt", json={"prompt": saved, "client_id": "packs"}) as reply:
            prompt_id = (await reply.json())["prompt_id"]
        told = await packed(socket, "mintmark.ended")
    whole = told[[each["type"] for each in told].index("mintmark.ended")]["data"]
    async with http.get(f"/history/{prompt_id}") as reply:
        entry = (await reply.json())[prompt_id]
    assert whole["prompt_id"] == prompt_id
    assert whole["entry"] == {"outputs": entry["outputs"], "status": entry["status"]}
    [file] = whole["files"]
    assert (file["subfolder"], file["type"]) == ("deep", "output")
    query = {name: file[name] for name in ("filename", "subfolder", "type")}
    async with http.get("/view", params=query) as reply:
        assert base64.b64decode(file["data"]) == await reply.read()


async def test_a_large_file_does_not_come_along(runner: Runner, http: aiohttp.ClientSession) -> None:
    large = {
        "1": node("EmptyImage", width=64, height=64, batch_size=1, color=1),
        "2": node("SaveImage", images=["1", 0], filename_prefix="a"),
    }
    async with http.ws_connect("/ws?clientId=packs") as socket:
        await socket.receive()
        await socket.send_json({"type": "feature_flags", "data": {"mintmark_packs": True}})
        await packed(socket, "feature_flags")
        with patch.object(ends, "SMALL", 10):
            async with http.post("/prompt", json={"prompt": large, "client_id": "packs"}):
                pass
            told = await packed(socket, "mintmark.ended")
    whole = told[[each["type"] for each in told].index("mintmark.ended")]["data"]
    assert whole["files"] == [] and whole["entry"]["outputs"]["2"]["images"]
