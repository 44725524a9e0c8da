"""A runner that is stopped in the midst of many prompts, and started again: each is asked for once, and ends well."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mintmark.cli.light_worker import open_runner
from mintmark.config import Settings
from mintmark.generation import caller
from mintmark.generation.context import LINK
from mintmark.nodes import worker
from mintmark.sandbox import Sandbox
from mintmark.tests.acceptance.conftest import clean_environment, mintmark

MANY = 12


def graph(number: int) -> dict[str, Any]:
    asked = {"prompt": f"a boat {number}", "model": "fal/flux-schnell", "width": 64, "height": 64, "seed": number}
    saved = {"images": ["1", 0], "record": ["1", 1], "filename_prefix": "it/boat"}
    return {
        "1": {"class_type": "MintmarkTextToImage", "inputs": asked},
        "2": {"class_type": "MintmarkSignAndSave", "inputs": saved},
    }


class Bench:
    """One runner's HTTP, and the truth of the sandbox that it asks."""

    def __init__(self, url: str, sandbox: str, http: aiohttp.ClientSession) -> None:
        self.url, self._sandbox, self._http = url, sandbox, http

    async def post(self, job_id: str, number: int, client_id: str) -> None:
        """With its context before it, as an orchestrator does."""
        context = {"job_id": job_id, "allowance_microusd": 1_000_000, "mode": "sandbox"}
        async with self._http.put(f"{self.url}/mintmark/jobs/{job_id}", json=context) as reply:
            assert reply.status == 200, await reply.text()
        body = {"prompt": graph(number), "prompt_id": job_id, "client_id": client_id}
        async with self._http.post(f"{self.url}/prompt", json=body) as reply:
            assert reply.status == 200, await reply.text()

    async def state(self, job_id: str) -> str | None:
        async with self._http.get(f"{self.url}/api/jobs/{job_id}") as reply:
            return str((await reply.json())["status"]) if reply.status == 200 else None

    async def completed(self, job_ids: list[str]) -> None:
        for job_id in job_ids:
            while (state := await self.state(job_id)) != "completed":
                assert state in ("pending", "in_progress"), state
                await asyncio.sleep(0.02)

    async def asked(self) -> list[str]:
        """The prompts of all generations that the sandbox was asked for."""
        async with self._http.get(f"{self._sandbox}/_sandbox/calls?kind=generation") as reply:
            return [call["body"]["prompt"] for call in await reply.json()]

    async def billed(self) -> int:
        async with self._http.get(f"{self._sandbox}/_sandbox/bill") as reply:
            return len((await reply.json())["lines"])


@asynccontextmanager
async def bench(
    folder: Path, sandbox: Sandbox, *, keeps: bool = True, data: Path | None = None
) -> AsyncIterator[Bench]:
    settings = Settings(data_dir=data or folder / "data", sandbox=True, sandbox_url=sandbox.url)
    db = folder / "queue.db" if keeps else None
    async with (
        aiohttp.ClientSession() as http,
        open_runner(settings, port=0, base_dir=folder / "base", db=db) as opened,
    ):
        yield Bench(opened.url, sandbox.url, http)


async def test_prompts_at_every_stage_go_on_in_the_next_process_and_are_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caller, "LAST_WORDS_S", 0.1)  # as for calls that take longer than anybody waits
    ids = [str(uuid.uuid4()) for _ in range(MANY)]
    async with Sandbox(latency_s=0.5) as sandbox:
        for stop in range(3):
            async with bench(tmp_path, sandbox) as runner:
                # Some are accepted by their provider when the stop comes, some are being judged, some wait.
                for number in range(stop * 4, stop * 4 + 4):
                    await runner.post(ids[number], number, f"{LINK}one")
                while len(await runner.asked()) < stop * 4 + 2:
                    await asyncio.sleep(0.002)
        async with bench(tmp_path, sandbox) as runner:
            await runner.completed(ids)
            assert sorted(await runner.asked()) == sorted(f"a boat {number}" for number in range(MANY))
            assert await runner.billed() == MANY


async def test_who_posts_prompts_anew_is_not_told_that_they_were_interrupted(tmp_path: Path) -> None:
    ends: list[str] = []
    async with Sandbox(latency_s=30) as sandbox, aiohttp.ClientSession() as http:
        async with bench(tmp_path, sandbox, keeps=False) as runner:
            heard = []
            for client_id in (f"{LINK}one", "somebody"):
                socket = await http.ws_connect(f"{runner.url}/ws?clientId={client_id}")
                heard.append(asyncio.create_task(_ends(socket, client_id, ends)))
                await runner.post(str(uuid.uuid4()), len(heard), client_id)
            while len(await runner.asked()) < 2:
                await asyncio.sleep(0.01)
        await asyncio.wait_for(asyncio.gather(*heard), 60)
    assert ends == ["somebody"]


async def _ends(socket: aiohttp.ClientWebSocketResponse, client_id: str, ends: list[str]) -> None:
    ends += [
        client_id
        async for message in socket
        if message.type is aiohttp.WSMsgType.TEXT and message.json()["type"] == "execution_interrupted"
    ]


@pytest.mark.skipif(os.name == "nt", reason="SIGTERM is POSIX's")
async def test_sigterm_stops_it_in_order_and_its_call_goes_on(tmp_path: Path) -> None:
    async with Sandbox(latency_s=0.5) as sandbox, aiohttp.ClientSession() as http:
        env = clean_environment(MINTMARK_DATA_DIR=str(tmp_path), MINTMARK_SANDBOX="1", MINTMARK_SANDBOX_URL=sandbox.url)
        where = ("--port", 0, "--json", "--base-dir", tmp_path / "base")
        started = await asyncio.create_subprocess_exec(
            *mintmark("runner", *where), stdout=asyncio.subprocess.PIPE, env=env
        )
        assert started.stdout is not None
        runner = Bench(json.loads(await started.stdout.readuntil(b"}"))["url"], sandbox.url, http)
        await runner.post(job_id := str(uuid.uuid4()), 1, f"{LINK}one")
        while not await runner.asked():
            await asyncio.sleep(0.01)
        started.terminate()
        assert await started.wait() == 0
        async with bench(tmp_path, sandbox, keeps=False, data=tmp_path) as runner:
            await runner.post(job_id, 1, f"{LINK}one")
            await runner.completed([job_id])
            assert len(await runner.asked()) == await runner.billed() == 1


async def test_after_it_has_closed_the_worker_opens_again(tmp_path: Path) -> None:
    async with Sandbox(latency_s=0) as sandbox:
        async with bench(tmp_path, sandbox) as runner:
            await runner.post(job_id := str(uuid.uuid4()), 1, f"{LINK}one")
            await runner.completed([job_id])
        assert await worker.current().engine() is not None
        await worker.current().close()
