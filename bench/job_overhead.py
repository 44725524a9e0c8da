"""What a durable job costs over a bare websocket client: `python bench/job_overhead.py [--json PATH]`.

Both run the same graph at 64² on the same runner and end with the picture's bytes in hand: the bare client posts a
prompt, hears its end on a websocket and fetches the file; the other posts a job over HTTP, waits for its end and
fetches the file by its link. They take turns, job by job. The service writes the job, its events, its money and its
file to disk and has its journal read; signing is off here, and the full pipeline (judged, signed, checked) stands
beside it.

The tail of the overhead is told in two ways: over the bare client's median, which counts all that the worker and the
machine do now and then against the service, and over the bare client's own tail, which does not. With 100 in flight the
first wave, which opens a hundred connections, is not counted for either.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import aiohttp

from mintmark.bench.harness.overhead import Made, Plain, service
from mintmark.bench.harness.processes import family, usage
from mintmark.bench.harness.report import NotRun, Report, Row, main, measured

WARM, JOBS, IN_FLIGHT, MANY = 20, 400, 100, 400
ROUNDS = 3
MEDIAN_MS, P99_MS, RATE = 3.0, 8.0, 200.0
SIDE = 64
TAIL: dict[str, Any] = {"unit": "ms", "most": P99_MS}


def measure(report: Report) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        asyncio.run(_measure(report, folder))


async def _measure(report: Report, folder: Path) -> None:
    async with service(folder) as made, Plain(made.runner_url) as plain, Client(made.url) as client:
        numbers = iter(range(1, 10**9))
        await turns(WARM, numbers, plain.run, client.plain)
        bare, durable = await turns(JOBS, numbers, plain.run, client.plain)
        report.add(measured("a bare websocket client", bare, "ms"), measured("a durable job", durable, "ms"))
        over = [mine - theirs for mine, theirs in zip(durable, bare, strict=True)]
        report.add(measured("overhead, median", over, "ms", most=MEDIAN_MS))
        report.add(
            Row(name="overhead, p99 over the bare median", value=_p99(durable) - statistics.median(bare), **TAIL)
        )
        report.add(Row(name="   over the bare client's p99", value=_p99(durable) - _p99(bare), unit="ms"))
        await _in_flight(report, made, numbers, client, plain)
        await turns(5, numbers, client.signed)
        [full] = await turns(20, numbers, client.signed)
        report.add(measured("the full pipeline: judged, signed, checked", full, "ms"))


def _own_s(made: Made) -> tuple[float, float]:
    """Processor time of the service and of what it started, so far: what a busy machine stretches less than the
    clock. In seconds of one core."""
    service, *others = (usage(pid).cpu_s for pid in family(made.service.pid))
    return service, sum(others)


async def _in_flight(report: Report, made: Made, numbers: Any, client: Client, plain: Plain) -> None:
    for warm in (client.plain, plain.run):
        await rate(numbers, warm, IN_FLIGHT)
    jobs: list[float] = []
    prompts: list[float] = []
    own = [0.0, 0.0]
    for _ in range(ROUNDS):
        before = _own_s(made)
        jobs.append(await rate(numbers, client.plain))
        own = [each + now - was for each, now, was in zip(own, _own_s(made), before, strict=True)]
        prompts.append(await rate(numbers, plain.run))
    report.add(measured("jobs at 100 in flight", jobs, "/s", least=RATE))
    for name, own_s in zip(("the service's", "its runner's"), own, strict=True):
        report.add(Row(name=f"   {name} own time a job", value=own_s * 1000 / (ROUNDS * MANY), unit="ms"))
    report.add(measured("bare prompts at 100 in flight", prompts, "/s"))


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


Run = Callable[[int], Awaitable[None]]


async def turns(count: int, numbers: Any, *runs: Run) -> list[list[float]]:
    """How long each way took, in milliseconds, one job after another, by turns."""
    found: list[list[float]] = [[] for _ in runs]
    for _ in range(count):
        for took, run in zip(found, runs, strict=True):
            began = time.perf_counter()
            await run(next(numbers))
            took.append((time.perf_counter() - began) * 1000)
    return found


async def rate(numbers: Any, run: Run, jobs: int = MANY) -> float:
    """Jobs per second with so many in flight."""
    left = iter(range(jobs))

    async def one_after_another() -> None:
        for _ in left:
            await run(next(numbers))

    began = time.perf_counter()
    await asyncio.gather(*(one_after_another() for _ in range(IN_FLIGHT)))
    return jobs / (time.perf_counter() - began)


class Client:
    """What a caller of the service does."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Client:
        connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
        self._http = await self._stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def plain(self, number: int) -> None:
        """A picture that no provider is asked for."""
        await self._run("bench-plain", {"color": number % 0xFFFFFF})

    async def signed(self, number: int) -> None:
        """One that a provider is, judged and signed."""
        await self._run("text-to-image", {"prompt": f"a paper boat, number {number}", "width": SIDE, "height": SIDE})

    async def _run(self, workflow: str, inputs: dict[str, Any]) -> None:
        path = f"{self._url}/v1/workflows/{workflow}/runs"
        body = json.dumps({"inputs": inputs, "metadata": {"n": str(uuid.uuid4())}}).encode()
        headers = {"Content-Type": "application/json", "Prefer": "wait=30"}
        async with self._http.post(path, data=body, headers=headers) as reply:
            job = await reply.json()
        if job.get("status") != "succeeded":
            raise NotRun(f"a job did not succeed: {job}")
        async with self._http.get(job["outputs"][0]["image_url"]) as reply:
            if reply.status != 200 or not await reply.read():
                raise NotRun(f"its file cannot be fetched (HTTP {reply.status})")


if __name__ == "__main__":
    main("A durable job", measure, __doc__)
