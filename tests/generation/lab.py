"""The real engine against the real sandbox, with the sandbox's bill held against the ledger."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp

from mintmark.config import Settings
from mintmark.generation.books import postings
from mintmark.generation.call import Call
from mintmark.generation.context import JobContext
from mintmark.generation.engine import Engine
from mintmark.generation.service import Generated
from mintmark.providers.request import GenerationRequest
from mintmark.sandbox import Sandbox

SCHNELL = "fal/flux-schnell"
ONE_BY_ONE = "fal/flux-2-pro"
"""Makes one image in a call."""
MINI = "openai/gpt-image-2"
BOTH = (SCHNELL, MINI)
PATIENT = 2_000_000


class NoWait:
    """Time that passes as it does, and as fast as anybody sleeps."""

    def __init__(self) -> None:
        self.skipped = 0.0

    def clock(self) -> float:
        return time.monotonic() + self.skipped

    async def sleep(self, seconds: float) -> None:
        self.skipped += seconds
        await asyncio.sleep(0)


@dataclass
class Lab:
    """One process: an engine on a data folder, and the truth of the sandbox it asks."""

    engine: Engine
    url: str
    session: aiohttp.ClientSession

    def job(self, allowance: int = PATIENT, **more: Any) -> JobContext:
        job = JobContext(job_id=str(uuid.uuid4()), allowance_microusd=allowance, mode="sandbox", **more)
        self.engine.journal.open_job(job)
        return job

    def by_hand(self) -> JobContext:
        return self.job(0, local=True)

    async def generate(self, job: JobContext, model: str = SCHNELL, node: str = "1", **more: Any) -> Generated:
        return await self.engine.service.generate(request(model, **more), job, node)

    async def fail(self, *faults: dict[str, Any]) -> None:
        async with self.session.put(f"{self.url}/_sandbox/faults", json={"faults": list(faults)}) as reply:
            assert reply.status == 200, await reply.text()

    async def bill(self) -> list[dict[str, Any]]:
        async with self.session.get(f"{self.url}/_sandbox/bill") as reply:
            return (await reply.json())["lines"]

    async def asked(self) -> int:
        """How many generation requests reached the provider."""
        async with self.session.get(f"{self.url}/_sandbox/calls") as reply:
            return len(await reply.json())

    def calls(self) -> list[Call]:
        """Every call of the journal as it stands, in the order of holding."""
        journal = self.engine.journal
        ids = [entry.call_id for entry in journal.since(0, limit=100_000) if entry.kind == "held"]
        return [call for call_id in ids if call_id and (call := journal.call(call_id))]

    def states(self) -> list[str]:
        return [call.state for call in self.calls()]

    def book(self) -> None:
        """What an orchestrator and the local books do with the journal."""
        self.engine.books.catch_up()
        self.engine.ledger.post(postings(self.engine.journal.since(0, limit=100_000)))

    async def balanced(self) -> tuple[int, int]:
        """(settled, unknown), after checking that together they are what the provider billed, to the micro-dollar."""
        self.book()
        paid = [call for call in self.calls() if call.state == "settled" and not (call.result or {}).get("cached_of")]
        settled = {call.request_id: call.charged_microusd for call in paid}
        assert len(settled) == len(paid), "two calls of one request"
        doubted = [call for call in self.calls() if call.state == "unknown"]
        names = {call.call_id for call in doubted} | {call.request_id for call in doubted}
        totals = self.engine.ledger.totals()
        assert totals.settled_microusd == sum(settled.values())
        assert totals.unknown_microusd == sum(call.hold_microusd for call in doubted)
        for line in await self.bill():
            if line["request_id"] in settled:
                assert settled.pop(line["request_id"]) == line["microusd"]
            else:
                assert names & {line["request_id"], line["client_request_id"]}, f"nobody books {line}"
        assert not settled, "settled, and never billed"
        return totals.settled_microusd, totals.unknown_microusd


def request(model: str = SCHNELL, **more: Any) -> GenerationRequest:
    facts: dict[str, Any] = {"task": "text-to-image", "prompt": "a red lighthouse at dusk", "width": 512, "height": 512}
    if model == MINI:
        facts |= {"options": {"quality": "low"}}
    return GenerationRequest(model=model, **{**facts, **more})


@asynccontextmanager
async def open_lab(folder: Path, sandbox: Sandbox | str, **settings: Any) -> AsyncIterator[Lab]:
    url = sandbox if isinstance(sandbox, str) else sandbox.url
    found = replace(Settings(data_dir=folder, sandbox=True, sandbox_url=url), **settings)
    async with aiohttp.ClientSession() as session, Engine(found, sandbox_url=url) as engine:
        no_wait = NoWait()
        engine._http.sleep, engine._http.clock = no_wait.sleep, no_wait.clock
        engine.caller.sleep = no_wait.sleep
        yield Lab(engine, url, session)
