"""Following a job: from the beginning or from where one left off, until it is over, and no word is lost."""

from __future__ import annotations

import asyncio
import json
import struct
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mintmark.orchestrator.api import streams
from mintmark.orchestrator.dispatch.news import JobChanged, PreviewShown, Progressed
from mintmark.orchestrator.jobs.base import Filter

from .stand_in import PNG, House, open_house
from .test_books import bearer


def told(text: str) -> list[tuple[str | None, str, Any]]:
    """(id, event, data) of each server-sent event; comments are none."""
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if lines:
            found.append((lines.get("id"), lines["event"], json.loads(lines["data"])))
    return found


async def test_a_job_that_is_over_is_told_from_its_beginning(house: House) -> None:
    job_id = await house.order(prompt="x")
    house.service.run_next()
    status, text, headers = await house.ask("GET", f"/v1/jobs/{job_id}/events")
    assert (status, headers["Content-Type"]) == (200, "text/event-stream")
    assert [kind for _, kind, _ in told(text)] == ["queued", "claimed", "succeeded"]


async def test_following_goes_on_after_the_last_event(house: House) -> None:
    job_id = await house.order(prompt="x")
    house.service.run_next()
    first = house.service.jobs.events(job_id)[0].seq
    _, text, _ = await house.ask("GET", f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": str(first)})
    _, same, _ = await house.ask("GET", f"/v1/jobs/{job_id}/events?after={first}")
    assert text == same
    assert [kind for _, kind, _ in told(text)] == ["claimed", "succeeded"]


@pytest.mark.parametrize("last", ["x", "-1", "9" * 40, "1,2"])
async def test_a_last_event_that_is_none_is_refused(house: House, last: str) -> None:
    job_id = await house.order(prompt="x")
    status, problem, _ = await house.ask("GET", f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": last})
    assert (status, problem["field"]) == (422, "Last-Event-ID")


async def test_what_happens_is_told_while_it_happens(house: House) -> None:
    job_id = await house.order(prompt="x")
    async with house.http.get(f"{house.url}/v1/jobs/{job_id}/events") as answer:
        assert b"queued" in await answer.content.readuntil(b"\n\n")
        house.service.news.publish(job_id, Progressed(job_id, 0.25, 3.5, "5"))
        line = (await answer.content.readuntil(b"\n\n")).decode()
        assert told(line) == [(None, "progress", {"percentage": 25.0, "eta_s": 3.5, "node": "5"})]
        house.service.run_next()
        rest = (await answer.content.read()).decode()
    assert [kind for _, kind, _ in told(rest)] == ["claimed", "succeeded"]


async def test_a_lost_word_only_delays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mintmark.orchestrator.api.events.KEEP_ALIVE_S", 0.05)
    async with open_house(tmp_path) as house:
        job_id = await house.order(prompt="x")
        async with house.http.get(f"{house.url}/v1/jobs/{job_id}/events") as answer:
            await answer.content.readuntil(b": still here\n\n")
            monkeypatch.setattr(house.service.news, "publish", lambda *_: None)
            house.service.run_next()
            assert b"succeeded" in await answer.content.read()


async def test_a_stream_ends_after_its_time_and_can_be_taken_up(tmp_path: Path) -> None:
    async with open_house(tmp_path, stream_limit_s=0.05) as house:
        job_id = await house.order(prompt="x")
        _, text, _ = await house.ask("GET", f"/v1/jobs/{job_id}/events")
        ((last, kind, _),) = told(text)
        assert kind == "queued"
        house.service.run_next()
        _, rest, _ = await house.ask("GET", f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": str(last)})
        assert [kind for _, kind, _ in told(rest)] == ["claimed", "succeeded"]


# -- by websocket -----------------------------------------------------------------------------------------------------


async def test_a_websocket_tells_events_progress_and_previews_then_closes(house: House) -> None:
    job_id = await house.order(prompt="x")
    async with house.http.ws_connect(f"{house.url}/v1/jobs/{job_id}/ws") as socket:
        assert (await socket.receive_json())["kind"] == "queued"
        news = house.service.news
        news.publish(job_id, Progressed(job_id, 0.5, None, "3"))
        assert await socket.receive_json() == {"type": "progress", "percentage": 50.0, "eta_s": None, "node": "3"}
        news.publish(job_id, PreviewShown(job_id, "3", "image/jpeg", b"jpeg"))
        assert await socket.receive_bytes() == struct.pack(">I", 1) + b"jpeg"
        house.service.run_next()
        assert [(await socket.receive_json())["kind"] for _ in range(2)] == ["claimed", "succeeded"]
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 1000


async def test_previews_come_as_text_where_that_is_asked_for(house: House) -> None:
    job_id = await house.order(prompt="x")
    async with house.http.ws_connect(f"{house.url}/v1/jobs/{job_id}/ws?previews=base64") as socket:
        await socket.receive_json()
        house.service.news.publish(job_id, PreviewShown(job_id, "3", "image/jpeg", b"jpeg"))
        shown = await socket.receive_json()
        assert shown == {"type": "preview", "node": "3", "media_type": "image/jpeg", "data": "anBlZw=="}


async def test_a_caller_that_leaves_is_let_go(house: House) -> None:
    job_id = await house.order(prompt="x")
    async with house.http.ws_connect(f"{house.url}/v1/jobs/{job_id}/ws") as socket:
        await socket.receive_json()
    (telling,) = [task for task in asyncio.all_tasks() if task.get_name() == f"watch {job_id}"] or [None]
    if telling is not None:
        await asyncio.wait([telling], timeout=60)
        assert telling.done()
    house.service.news.publish(job_id, JobChanged(job_id))


async def test_a_websocket_asked_for_as_a_page_says_so(house: House) -> None:
    job_id = await house.order(prompt="x")
    status, problem, headers = await house.ask("GET", f"/v1/jobs/{job_id}/ws")
    assert (status, problem["code"], headers["Upgrade"]) == (426, "upgrade_required", "websocket")


# -- a key that ends --------------------------------------------------------------------------------------------------


async def watched(house: House) -> tuple[str, str, dict[str, str]]:
    """A job of a new key: (its path, the key's id, its headers)."""
    key, token = house.service.access.keys.create(scopes=["submit", "read"], project="acme", user="mia")
    headers = {"Authorization": f"Bearer {token}"}
    _, made, _ = await house.ask(
        "POST", "/v1/workflows/text-to-image/runs", json={"inputs": {"prompt": "x"}}, headers=headers
    )
    return f"/v1/jobs/{made['job_id']}", key.key_id, headers


async def test_a_revoked_key_hears_nothing_more_over_a_websocket(house: House) -> None:
    path, key_id, headers = await watched(house)
    async with house.http.ws_connect(f"{house.url}{path}/ws", headers=headers) as socket:
        assert (await socket.receive_json())["kind"] == "queued"
        house.service.access.keys.revoke(key_id)
        house.service.news.publish(path.rpartition("/")[2], Progressed(path.rpartition("/")[2], 0.5, None, "3"))
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 1008


async def test_a_revoked_key_hears_nothing_more_of_a_stream(house: House) -> None:
    path, key_id, headers = await watched(house)
    async with house.http.get(f"{house.url}{path}/events", headers=headers) as answer:
        assert b"queued" in await answer.content.readuntil(b"\n\n")
        house.service.access.keys.revoke(key_id)
        house.service.run_next()
        assert await answer.content.read() == b""
    assert (await house.ask("GET", f"{path}/events", headers=headers))[0] == 401


async def test_a_revoked_key_is_not_told_what_it_waits_for(house: House) -> None:
    access = house.service.access
    key, token = access.keys.create(scopes=["submit", "read"], project="acme", user="mia")
    headers = {"Authorization": f"Bearer {token}", "Prefer": "wait=30"}
    asked = house.ask("POST", "/v1/workflows/text-to-image/runs", json={"inputs": {"prompt": "x"}}, headers=headers)
    waiting = asyncio.create_task(asked)
    while not house.service.jobs.find(Filter()):
        await asyncio.sleep(0.01)
    access.keys.revoke(key.key_id)
    house.service.run_next()
    status, problem, _ = await waiting
    assert (status, problem["code"]) == (401, "not_authenticated")


async def test_a_revoked_key_is_told_so_in_openais_stream_and_nothing_else(house: House) -> None:
    access = house.service.access
    key, token = access.keys.create(scopes=["submit", "read"], project="acme", user="mia")
    body = {"prompt": "x", "model": "gpt-image-2", "size": "1024x1024", "stream": True, "partial_images": 2}
    headers = {"Authorization": f"Bearer {token}"}
    async with house.http.post(f"{house.url}/openai/v1/images/generations", json=body, headers=headers) as answer:
        assert answer.status == 200
        access.keys.revoke(key.key_id)
        house.service.run_next(data=PNG)
        ((_, kind, error),) = told(await answer.text())
    assert (kind, error["error"]["code"]) == ("error", "invalid_api_key")


async def test_a_websocket_ends_after_its_time_and_can_be_taken_up(tmp_path: Path) -> None:
    async with open_house(tmp_path, stream_limit_s=0.05) as house:
        job_id = await house.order(prompt="x")
        async with house.http.ws_connect(f"{house.url}/v1/jobs/{job_id}/ws") as socket:
            last = (await socket.receive_json())["seq"]
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
            assert socket.close_code == 1013
        house.service.run_next()
        async with house.http.ws_connect(f"{house.url}/v1/jobs/{job_id}/ws?after={last}") as socket:
            assert [(await socket.receive_json())["kind"] for _ in range(2)] == ["claimed", "succeeded"]


# -- how many ---------------------------------------------------------------------------------------------------------


UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


async def test_a_key_has_so_many_streams_at_once_and_not_more(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MOST", 2)
    mine, theirs = bearer(house, "read", "submit"), bearer(house, "read")
    status, made, _ = await house.ask(
        "POST", "/v1/workflows/text-to-image/runs", json={"inputs": {"prompt": "x"}}, headers=mine
    )
    assert status == 202
    path = f"/v1/jobs/{made['job_id']}"
    async with house.http.ws_connect(f"{house.url}{path}/ws", headers=mine) as first:
        await first.receive_json()
        async with house.http.get(f"{house.url}{path}/events", headers=mine) as second:
            assert second.status == 200
            for tail in ("events", "ws"):
                with_upgrade = {**mine, **UPGRADE} if tail == "ws" else mine
                status, problem, headers = await house.ask("GET", f"{path}/{tail}", headers=with_upgrade)
                assert (status, problem["code"], headers["Retry-After"]) == (429, "too_many_requests", "5")
            async with house.http.get(f"{house.url}{path}/events", headers=theirs) as another:
                assert another.status == 200
            house.service.run_next()
            await second.read()
    status, _, _ = await house.ask("GET", f"{path}/events", headers=mine)
    assert status == 200
