"""What the generation service costs over the bare call: `python bench/service_overhead.py [--json PATH]`.

One 64 pixel image of OpenAI's, from a sandbox of zero latency in another process: a bare POST with aiohttp and its
base64 decoded; the provider adapter alone; the service with its journal, books, spool and moderation by local rules;
and the service as it comes, whose policy asks OpenAI's moderation before and after. All take turns.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from mintmark.bench.harness.graphs import words
from mintmark.bench.harness.processes import Taken
from mintmark.bench.harness.report import Report, Sample, main, measured, rounds
from mintmark.bench.harness.workers import sandbox
from mintmark.config import Settings
from mintmark.generation.context import JobContext
from mintmark.generation.engine import Engine
from mintmark.moderation.policy import load
from mintmark.providers.base import Accepted
from mintmark.providers.request import GenerationRequest

MODEL = "openai/gpt-image-2"
ROUNDS = 5
WITHIN_S = 35.0
LEVELS = {1: 12, 32: 64, 256: 256}
"""Calls side by side, and calls in a round."""

Call = Callable[[int], Awaitable[object]]

Found = dict[str, dict[int, list[Taken]]]


def measure(report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder), 0) as providers:
        rules = local_policy(Path(folder))
        found = asyncio.run(measured_calls(Path(folder) / "data", providers.url, rules))
    for level in LEVELS:
        bare = clock(found["bare POST"][level])
        for name, times in found.items():
            own = Sample.of(each.own for each in times[level]).median
            note = f"{own:.2f} ms of it this process's own processor time"
            report.add(measured(f"{level} at once: {name}", clock(times[level]), "ms a call", note=note))
            if name != "bare POST":
                ratios = [ours / base for ours, base in zip(clock(times[level]), bare, strict=True)]
                report.add(measured("   over the bare POST", ratios, "×"))


def local_policy(folder: Path) -> str:
    """The standard policy without the checker that asks a provider: a file of the operator's own."""
    policy = load("standard").model_dump(mode="json", exclude_defaults=True)
    changed = {**policy, "name": "bench", "prompt_checkers": ["rules"], "image_checkers": []}
    path = folder / "bench.json"
    path.write_text(json.dumps(changed), encoding="utf-8")
    return str(path)


async def measured_calls(folder: Path, url: str, rules: str) -> Found:
    settings = Settings(data_dir=folder, sandbox=True, sandbox_url=url, policy=rules)
    async with AsyncExitStack() as stack:
        # The service's own client has no limit on connections, so the bare one must not have one either.
        connector = aiohttp.TCPConnector(limit=0)
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        engine = await stack.enter_async_context(Engine(settings, sandbox_url=url))
        calls: dict[str, Call] = {
            "bare POST": bare(http, url),
            "adapter": adapter(engine),
            "service, local rules": service(engine, rules),
            "service as it comes": service(engine, "standard"),
        }
        for call in calls.values():
            await timed(call, 1, 3)
        found: Found = {name: {level: [] for level in LEVELS} for name in calls}
        for _ in rounds(ROUNDS, WITHIN_S):
            for level, count in LEVELS.items():
                for name, call in calls.items():
                    found[name][level].append(await timed(call, level, count))
        return found


def clock(times: list[Taken]) -> list[float]:
    return [each.clock for each in times]


async def timed(call: Call, level: int, count: int) -> Taken:
    """So many calls, with ``level`` of them at work at any time."""
    left = iter(range(count))

    async def work() -> None:
        for _ in left:
            await call(next(_number))

    started, own = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(level)))
    scale = 1000 / count
    return Taken((time.perf_counter() - started) * scale, (time.process_time() - own) * scale)


_number = itertools.count()


def asked(number: int) -> GenerationRequest:
    facts = {"prompt": words(number), "width": 64, "height": 64, "options": {"quality": "low"}}
    return GenerationRequest.model_validate({"task": "text-to-image", "model": MODEL, **facts})


def bare(http: aiohttp.ClientSession, url: str) -> Call:
    async def call(number: int) -> bytes:
        body = {"model": "gpt-image-2", "prompt": words(number), "n": 1, "quality": "low", "size": "64x64"}
        headers = {"Authorization": "Bearer sandbox-key"}
        async with http.post(f"{url}/openai/v1/images/generations", json=body, headers=headers) as answer:
            answer.raise_for_status()
            return base64.b64decode((await answer.json())["data"][0]["b64_json"])

    return call


def adapter(engine: Engine) -> Call:
    provider, model = engine.provider("openai"), engine.catalog.known(MODEL)

    async def accepted(_: Accepted) -> None:
        return None

    async def call(number: int) -> object:
        prepared = provider.prepare(model, asked(number))
        answer = await provider.ask(prepared, call_id=str(uuid.uuid4()), on_accepted=accepted)
        return await provider.fetch(answer.images[0])

    return call


def service(engine: Engine, policy: str) -> Call:
    async def call(number: int) -> object:
        # A job of its own, as a prompt is; its allowance is handed over from outside, as an orchestrator does.
        job = JobContext(job_id=str(uuid.uuid4()), policy=policy, allowance_microusd=1_000_000, mode="sandbox")
        await asyncio.to_thread(engine.journal.open_job, job)
        return await engine.service.generate(asked(number), job, "1")

    return call


if __name__ == "__main__":
    main("The generation service over the bare call", measure, __doc__)
