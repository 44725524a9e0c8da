from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import aiohttp
import pytest

from mintmark.errors import BadSetting
from mintmark.sandbox import Sandbox
from mintmark.sandbox.books import Books
from mintmark.sandbox.server import PROVIDERS

from .conftest import FAL, OPENAI, Probe

BOAT = {"model": "gpt-image-2", "prompt": "a boat", "size": "64x64", "quality": "low"}
FLUX = {"prompt": "a boat", "image_size": "square", "seed": 3, "output_format": "png"}


async def test_health_names_the_providers(probe: Probe) -> None:
    assert (await probe.send("GET", "/_sandbox/health"))[1] == {
        "status": "ok", "sandbox": True, "providers": [provider.name for provider in PROVIDERS]
    }  # fmt: skip


async def test_a_call_is_told_as_received_and_its_key_only_by_digest(probe: Probe) -> None:
    headers = {**OPENAI, "X-Client-Request-Id": "call-7"}
    await probe.send("POST", "/openai/v1/images/generations?x=1", json=BOAT, headers=headers)
    (call,) = await probe.calls()
    assert (call["provider"], call["method"], call["path"]) == ("openai", "POST", "/openai/v1/images/generations")
    assert (call["query"], call["body"], call["client_request_id"]) == ({"x": ["1"]}, BOAT, "call-7")
    assert (call["outcome"], call["status"]) == ("ok", 200)
    assert call["headers"]["Authorization"].startswith("sha256:")
    assert len(call["headers"]["Authorization"]) == len("sha256:") + 12
    assert "test-key" not in json.dumps(call)


async def test_reset_forgets_everything(probe: Probe) -> None:
    await probe.openai("/images/generations", BOAT)
    made = (await probe.fal("POST", "/run/fal-ai/flux/dev", FLUX))[1]
    await probe.fail({"provider": "fal", "kind": "slow"})
    assert (await probe.send("POST", "/_sandbox/reset"))[0] == 200
    assert await probe.bill() == {"total_microusd": 0, "lines": []}
    assert await probe.calls("any") == []
    assert (await probe.send("GET", "/_sandbox/faults"))[1]["faults"] == []
    assert (await probe.fetch(made["images"][0]["url"]))[0] == 404


async def test_media_downloads_are_told_so_that_a_leaked_key_would_be_seen(probe: Probe) -> None:
    made = (await probe.fal("POST", "/run/fal-ai/flux/dev", FLUX))[1]
    await probe.fetch(made["images"][0]["url"])
    (call,) = await probe.calls("media")
    assert "Authorization" not in call["headers"]


async def test_the_books_outlive_the_sandbox(tmp_path: Path) -> None:
    state = tmp_path / "books" / "sandbox.jsonl"
    async with aiohttp.ClientSession() as session:
        async with Sandbox(latency_s=0, state=state) as first:
            probe = Probe(first.url, session)
            await probe.openai("/images/generations", BOAT)
            made = (await probe.fal("POST", "/run/fal-ai/flux/dev", FLUX))[1]
            _, picture = await probe.fetch(made["images"][0]["url"])
            bill, calls = await probe.bill(), await probe.calls("any")
        async with Sandbox(latency_s=0, state=state) as second:
            probe = Probe(second.url, session)
            assert await probe.bill() == bill
            assert await probe.calls("any") == calls
            path = f"/queue/fal-ai/flux/requests/{bill['lines'][1]['request_id']}"
            assert (await probe.fal("GET", path + "/status"))[1]["status"] == "COMPLETED"
            again = (await probe.fal("GET", path))[1]
            assert (await probe.fetch(again["images"][0]["url"]))[1] == picture
            assert await probe.bill() == bill


async def test_requests_in_the_queue_go_on_after_a_restart_and_canceled_ones_do_not(tmp_path: Path) -> None:
    state = tmp_path / "sandbox.jsonl"
    async with aiohttp.ClientSession() as session:
        async with Sandbox(latency_s=60, state=state) as first:
            probe = Probe(first.url, session)
            going = (await probe.fal("POST", "/queue/fal-ai/flux/dev", FLUX))[1]["request_id"]
            stopped = (await probe.fal("POST", "/queue/fal-ai/flux/dev", FLUX))[1]["request_id"]
            assert (await probe.fal("PUT", f"/queue/fal-ai/flux/requests/{stopped}/cancel"))[0] == 202
        async with Sandbox(latency_s=0, state=state) as second:
            probe = Probe(second.url, session)
            while (await probe.fal("GET", f"/queue/fal-ai/flux/requests/{going}/status"))[0] == 202:
                await asyncio.sleep(0.01)
            assert (await probe.fal("GET", f"/queue/fal-ai/flux/requests/{going}"))[0] == 200
            assert (await probe.fal("GET", f"/queue/fal-ai/flux/requests/{stopped}"))[0] == 499
            assert [line["request_id"] for line in (await probe.bill())["lines"]] == [going]


SERVE = """
import asyncio, sys
from pathlib import Path
from mintmark.sandbox import Sandbox

async def main():
    async with Sandbox(latency_s=0, state=Path(sys.argv[1])) as sandbox:
        print(sandbox.url, flush=True)
        await sandbox.serve_forever()

asyncio.run(main())
"""


async def test_a_killed_sandbox_has_written_every_line_that_it_answered_for(tmp_path: Path) -> None:
    state = tmp_path / "sandbox.jsonl"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, str(state), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    async with aiohttp.ClientSession() as session:
        probe = Probe(url, session)
        ids = []
        for _ in range(3):
            async with session.post(f"{url}/openai/v1/images/generations", json=BOAT, headers=OPENAI) as reply:
                ids.append(reply.headers["x-request-id"])
        async with session.post(f"{url}/fal/run/fal-ai/flux/schnell", json=FLUX, headers=FAL) as reply:
            ids.append(reply.headers["x-fal-request-id"])
        process.kill()
        await process.wait()
        process.stdout.feed_eof()
        async with Sandbox(state=state) as again:
            lines = (await Probe(again.url, session).bill())["lines"]
    assert [line["request_id"] for line in lines] == ids
    assert probe.url != again.url


def test_a_torn_last_line_never_happened(tmp_path: Path) -> None:
    state = tmp_path / "sandbox.jsonl"
    books = Books(state)
    facts = {"provider": "fal", "model": "m", "client_request_id": None, "images": 1, "usage": {}}
    books.charge(request_id="one", microusd=5, **facts)
    books.charge(request_id="two", microusd=7, **facts)
    state.write_bytes(state.read_bytes()[:-20])
    again = Books(state)
    again.load()
    assert [line.request_id for line in again.lines] == ["one"]
    again.charge(request_id="three", microusd=9, **facts)
    last = Books(state)
    with pytest.raises(BadSetting, match=r"another sandbox keeps its books in .*sandbox\.jsonl"):
        last.load()
    again.release()
    last.load()
    assert last.bill()["total_microusd"] == 14
    last.release()


async def test_a_port_in_use_is_told_by_number(sandbox: Sandbox) -> None:
    port = int(sandbox.url.rsplit(":", 1)[1])
    with pytest.raises(BadSetting, match=str(port)):
        async with Sandbox(port=port):
            pass


async def test_urls_follow_the_name_by_which_the_client_came(probe: Probe, sandbox: Sandbox) -> None:
    port = sandbox.url.rsplit(":", 1)[1]
    made = (
        await probe.send("POST", "/fal/queue/fal-ai/flux/dev", json=FLUX, headers={**FAL, "Host": f"localhost:{port}"})
    )[1]
    assert made["status_url"].startswith(f"http://localhost:{port}/fal/queue/fal-ai/flux/requests/")


async def test_many_requests_at_once_are_each_billed_once(probe: Probe) -> None:
    answers = await asyncio.gather(*(probe.fal("POST", "/run/fal-ai/flux/schnell", FLUX) for _ in range(60)))
    assert {status for status, _ in answers} == {200}
    lines = (await probe.bill())["lines"]
    assert len({line["request_id"] for line in lines}) == len(lines) == 60


async def test_work_goes_on_and_is_billed_when_the_client_has_gone() -> None:
    async with Sandbox(latency_s=0.2) as slow, aiohttp.ClientSession() as session:
        probe = Probe(slow.url, session)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(probe.openai("/images/generations", BOAT), 0.05)
        assert (await probe.bill())["lines"] == []
        while not (bill := await probe.bill())["lines"]:
            await asyncio.sleep(0.02)
        assert bill["total_microusd"] == 2 * 5 + 2 * 30
