"""Jobs through a fault proxy: real processes at both ends, and afterwards the books of everybody laid side by side."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mintmark.config import Settings
from mintmark.generation.context import JobContext
from mintmark.generation.sealing import Draft, Sealed
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.orchestrator.execution.delivery import Delivery
from mintmark.orchestrator.execution.local_jobs import JobStore
from mintmark.orchestrator.execution.request import JobResult, RunRequest
from mintmark.orchestrator.execution.run import JobRunner
from mintmark.orchestrator.link.client import WorkerLink
from mintmark.workflows.library import Library

from .plan import Plan, Rule
from .proxy import FaultProxy

JOB_S = 90.0
"""How long one job may take before it counts as hanging, in seconds."""
SLOW = {"delay": 0.04, "stall": 0.02, "trickle": 0.02, "stale": 0.04, "half_close": 0.02}
LOST = {"reset": 0.02, "close": 0.02, "drop_answer": 0.02, "hang_up": 0.02, "freeze": 0.01, "cut_request": 0.02}
WRONG = {"error_before": 0.02, "error_after": 0.02, "cut_answer": 0.02, "reset_answer": 0.02}
FRAMES = {"frame_late": 0.05, "frame_drop": 0.1, "frame_double": 0.1, "frame_swap": 0.1, "frame_stall": 0.01}
BREAKS = {"frame_cut": 0.03, "frame_close": 0.03}
ANY = Rule("*", {**SLOW, **LOST, **WRONG})
"""A third of all requests is hurt."""
POST = {"drop_answer": 0.15, "hang_up": 0.08, "error_after": 0.1, "cut_answer": 0.05, "freeze": 0.05, "reset": 0.05}
"""The request that must not be done twice is hurt most, and mostly after the worker heard it."""
SOCKET = Rule("GET /ws", {"reset": 0.1, "error_before": 0.1, "drop_answer": 0.1, **FRAMES, **BREAKS})
STORM = Plan((Rule("POST /prompt", {**POST, "replay": 0.15, "error_before": 0.05}), SOCKET, ANY), stall_s=0.4)
"""For a worker that takes an id once, such as the runner."""
COMFY_STORM = Plan((Rule("POST /prompt", {**POST, "error_before": 0.05}), SOCKET, ANY), stall_s=0.4)
"""ComfyUI runs a replayed prompt twice, whoever replays it: nothing that a link could mend."""


@dataclass
class Storm:
    """Jobs for one worker through one proxy, their ledger, and what became of them."""

    folder: Path
    sandbox_url: str
    proxy: FaultProxy
    ledger: SqliteLedger
    store: JobStore
    results: list[JobResult] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    async def run(self, jobs: int, at_once: int, prefix: str) -> None:
        """Run so many jobs, each with a prompt of its own that begins with ``prefix``."""
        places = asyncio.Semaphore(at_once)
        await asyncio.gather(*(self._one(f"{prefix} {number}", places) for number in range(jobs)))

    async def _one(self, prompt: str, places: asyncio.Semaphore) -> None:
        async with places:
            started = time.monotonic()
            try:
                self.results.append(await asyncio.wait_for(self._job(prompt), JOB_S))
            except asyncio.TimeoutError:
                self.failures.append(f"{prompt}: still running after {JOB_S:g} s")
            except Exception as exc:
                self.failures.append(f"{prompt}: {type(exc).__name__}: {exc}")
            self.slowest_s = max(self.slowest_s, time.monotonic() - started)

    async def _job(self, prompt: str) -> JobResult:
        settings = Settings(data_dir=self.folder / "data", sandbox=True, sandbox_url=self.sandbox_url)
        delivery = Delivery(max_pixels=settings.max_pixels, anchors_pem=None, seal=_seal)
        values = {"prompt": prompt, "width": 64, "height": 64, "model": "fal/flux-schnell"}
        request = RunRequest(
            workflow=Library(()).resolve("text-to-image"),
            values=values,
            worker_name=self.proxy.url,
            out_dir=self.folder / "out",
        )
        async with WorkerLink(self.proxy.url, poll_s=0.2, lost_s=30) as link:
            runner = JobRunner(settings=settings, link=link, ledger=self.ledger, store=self.store, delivery=delivery)
            return await runner.run(request, lambda event: None)


async def _seal(context: JobContext, draft: Draft) -> Sealed:
    raise AssertionError(f"the worker left {draft.title} of {context.job_id} unsigned")


@asynccontextmanager
async def storm(folder: Path, worker_url: str, sandbox_url: str, *, seed: int, plan: Plan) -> AsyncIterator[Storm]:
    """A proxy before a worker, and this machine's books in ``folder``."""
    books = Settings(data_dir=folder / "data", sandbox=True).books_dir
    async with FaultProxy.before(worker_url, seed=seed, plan=plan) as proxy:
        with closing(SqliteLedger(books)) as ledger, closing(JobStore(books)) as store:
            yield Storm(folder, sandbox_url, proxy, ledger, store)


def ask(url: str) -> Any:
    """The JSON at a URL, asked for directly and not through a proxy."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def check_results(storms: list[Storm], jobs: int) -> None:
    """Every job has its result, in a file of its own."""
    failed = "\n".join("\n".join([*each.failures, each.proxy.told()]) for each in storms if each.failures)
    assert not failed, failed
    results = [result for each in storms for result in each.results]
    assert len({result.job_id for result in results}) == jobs
    paths = [Path(output.path) for result in results for output in result.outputs]
    assert len(set(paths)) == jobs
    assert all(path.stat().st_size > 0 for path in paths)
    assert {output.credential.state for result in results for output in result.outputs} == {"valid"}


def check_once(storms: list[Storm], worker_url: str, sandbox_url: str, signed: list[Path]) -> None:
    """No prompt ran twice: not by the provider's books, the worker's history, its journal or the files it signed."""
    ids = {result.job_id for each in storms for result in each.results}
    calls = ask(f"{sandbox_url}/_sandbox/calls?kind=generation")
    asked = Counter(str(call["body"]["prompt"]) for call in calls)
    assert [prompt for prompt, times in asked.items() if times > 1] == []
    assert len(asked) == len(ids)
    history = ask(f"{worker_url}/history?max_items=100000")
    assert history.keys() == ids
    assert {entry["status"]["status_str"] for entry in history.values()} == {"success"}
    # A worker numbers what it takes: a prompt taken twice leaves a gap, for the history keeps its last run alone.
    assert sorted(entry["prompt"][0] for entry in history.values()) == list(range(len(ids)))
    assert len(signed) == len(ids)


def check_money(storms: list[Storm], sandbox_url: str) -> None:
    """The ledgers say what the provider bills, call by call; nothing is unknown and nothing is still set aside."""
    bill = ask(f"{sandbox_url}/_sandbox/bill")
    lines = [line for each in storms for line in each.ledger.lines(limit=100_000)]
    settled = {line.request_id: line.microusd for line in lines if line.kind == "settled"}
    assert settled == {line["request_id"]: line["microusd"] for line in bill["lines"]}
    assert sum(each.ledger.totals().settled_microusd for each in storms) == bill["total_microusd"] > 0
    for each in storms:
        totals = each.ledger.totals()
        assert (totals.unknown_microusd, totals.set_aside_microusd) == (0, 0)
        assert {each.store.state(result.job_id) for result in each.results} == {"succeeded"}
