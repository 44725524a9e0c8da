"""A thousand workers at a queue of a million jobs: `python bench/claims.py [--json PATH]`.

On SQLite and on PostgreSQL, through the whole store as the service asks it: workers are tasks of one process, and what
they ask of the store goes through as many threads as the service has (and in PostgreSQL as many connections as it
opens). First with jobs that take no time: how many are claimed, and ended, in a second. Times there are of the store
alone, because a thousand wait for a few threads. Then at the pace of a fleet: jobs of ten seconds on each of the
thousand workers, as many submitted as are claimed, all leases renewed each second. Times there are what a worker or a
caller waits. Waiting jobs belong to a hundred keys. No job is claimed twice, or the benchmark fails.
MINTMARK_BENCH_JOBS changes how many wait; MINTMARK_TEST_POSTGRES says where PostgreSQL is.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
import uuid
from array import array
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from mintmark.bench.harness.filling import KEYS, fill_postgres, fill_sqlite, order
from mintmark.bench.harness.report import NotRun, Report, Row, main, not_run
from mintmark.bench.queued_jobs import (
    CLAIM_MOST_MS,
    ROWS,
    RSS_MOST_MB,
    SUBMIT_MOST_MS,
    postgres,
    rss_mb,
)
from mintmark.cli import garbage
from mintmark.errors import MintmarkError, WrongState
from mintmark.metering.ledger_sql import SqlLedger
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.orchestrator.dispatch.dispatcher import RENEW_EVERY_S
from mintmark.orchestrator.dispatch.kit import THREADS
from mintmark.orchestrator.jobs.base import Bounds
from mintmark.orchestrator.jobs.job import Ending, Lease
from mintmark.orchestrator.jobs.sql_store import SqlJobStore
from mintmark.orchestrator.jobs.states import Step

T = TypeVar("T")
WORKERS = 1000
JOB_S = 10.0
"""What a job takes on a worker, on average, at the pace of a fleet."""
SECONDS = 20.0
OWNER = "bench"


def measure(report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder, closing(SqliteLedger(Path(folder))) as ledger:
        compare(report, "SQLite", ledger, lambda: fill_sqlite(Path(folder) / "ledger.sqlite3", ROWS))
    try:
        with postgres() as (ledger, url):
            compare(report, "PostgreSQL", ledger, lambda: fill_postgres(url, ROWS))
    except (MintmarkError, ImportError) as exc:
        report.add(not_run("PostgreSQL", exc))


def compare(report: Report, name: str, ledger: SqlLedger, fill: Callable[[], None]) -> None:
    store = SqlJobStore(ledger, bounds=Bounds(queued_per_key=None, queued_overall=None))
    fill()
    garbage.serving()  # as in a service that is up: else a look at all there is, for some 60 ms, hits whoever waits
    with ThreadPoolExecutor(THREADS) as threads:
        asyncio.run(_measure(report, f"{name}, {ROWS:,} wait", Crowd(store, threads)))


async def _measure(report: Report, name: str, crowd: Crowd) -> None:
    await crowd.for_a_while(crowd.hurried, 2.0)  # pages and plans that are needed once
    await crowd.for_a_while(crowd.paced, JOB_S)  # and what a thousand leases take, which every service has
    before = rss_mb()
    report.add(*_rates(name, await crowd.for_a_while(crowd.hurried, SECONDS)))
    report.add(*_waits(name, await crowd.for_a_while(crowd.paced, SECONDS)))
    report.add(Row(name="   growth of memory meanwhile", value=rss_mb() - before, unit="MB", most=RSS_MOST_MB))


def _rates(name: str, found: Found) -> list[Row]:
    note = f"and as many ended; {WORKERS:,} workers, {THREADS} threads"
    rate = len(found.claim) / found.seconds
    return [
        Row(name=f"{name}: claims, jobs that take no time", value=rate, unit="/s", note=note),
        *_times("   claim, in the store", found.claim),
        *_times("   end, in the store", found.end),
    ]


def _waits(name: str, found: Found) -> list[Row]:
    rate, wanted = len(found.claim) / found.seconds, WORKERS / JOB_S
    return [
        Row(name=f"{name}: claims at a fleet's pace", value=rate, unit="/s", note=f"{wanted:.0f} were wanted"),
        *_times("   claim, as a worker waits", found.claim, CLAIM_MOST_MS),
        *_times("   submit, as a caller waits", found.submit, SUBMIT_MOST_MS),
        *_times("   end", found.end),
        *_times(f"   renewal of {WORKERS:,} leases", found.renew),
    ]


def _times(name: str, times: array[float], most: float | None = None) -> list[Row]:
    found = sorted(times)
    p99 = found[len(found) * 99 // 100]
    return [
        Row(name=f"{name}, median", value=found[len(found) // 2], unit="ms", note=f"of {len(found):,}"),
        Row(name="      p99", value=p99, unit="ms", most=most),
    ]


@dataclass
class Found:
    """What was measured: times in milliseconds, and how long all took in seconds."""

    claim: array[float] = field(default_factory=lambda: array("d"))
    end: array[float] = field(default_factory=lambda: array("d"))
    submit: array[float] = field(default_factory=lambda: array("d"))
    renew: array[float] = field(default_factory=lambda: array("d"))
    seconds: float = 0.0


class Crowd:
    """A thousand workers, and those who submit."""

    def __init__(self, store: SqlJobStore, threads: ThreadPoolExecutor) -> None:
        self._store, self._threads = store, threads
        self._chance = random.Random(7)
        self._seen: set[int] = set()
        self._held: dict[str, Lease] = {}
        self.found = Found()

    async def for_a_while(self, work: Callable[[float], Awaitable[None]], seconds: float) -> Found:
        """Work until so many seconds are over, and give every lease back; what was measured."""
        self.found, began = Found(), time.monotonic()
        await work(began + seconds)
        self.found.seconds = time.monotonic() - began
        for lease in list(self._held.values()):
            with suppress(WrongState):  # its end was under way
                await self._end(lease)
        self._held.clear()
        return self.found

    async def hurried(self, until: float) -> None:
        """Each worker claims and ends, one job after another."""

        async def worker(number: int) -> None:
            while time.monotonic() < until:
                for lease in await self._claim(number, self.found.claim):
                    await self._end(lease, self.found.end)

        await asyncio.gather(*map(worker, range(WORKERS)))

    async def paced(self, until: float) -> None:
        """Each worker claims, works, and ends; as many jobs come; leases are kept."""

        async def worker(number: int) -> None:
            await asyncio.sleep(self._chance.uniform(0, JOB_S))
            while time.monotonic() < until:
                leases = await self._claim(number, waits=self.found.claim)
                await asyncio.sleep(self._chance.uniform(0.5, 1.5) * JOB_S)
                for lease in leases:
                    await self._end(lease, waits=self.found.end)

        tasks = [asyncio.create_task(worker(number)) for number in range(WORKERS)]
        try:
            # In the first seconds workers come one after another; then all of them are at work.
            await asyncio.gather(self._submitting(until), self._renewing(until))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _submitting(self, until: float) -> None:
        calls = []
        while time.monotonic() < until:
            await asyncio.sleep(self._chance.expovariate(WORKERS / JOB_S))
            ordered = order(str(uuid.uuid4()), f"key-{self._chance.randrange(KEYS)}")
            calls.append(asyncio.create_task(self._ask(lambda: self._store.accept(ordered), waits=self.found.submit)))  # noqa: B023
        await asyncio.gather(*calls)

    async def _renewing(self, until: float) -> None:
        while time.monotonic() < until:
            await asyncio.sleep(RENEW_EVERY_S)
            held = list(self._held)
            await self._ask(lambda: self._store.renew(OWNER, held), waits=self.found.renew)  # noqa: B023

    # -- of the store -------------------------------------------------------------------------------------------------

    async def _claim(
        self, number: int, into: array[float] | None = None, *, waits: array[float] | None = None
    ) -> list[Lease]:
        asked = self._ask(lambda: self._store.claim(OWNER, f"worker-{number}", ("hosted",)), into, waits=waits)
        if not (leases := await asked):
            raise NotRun("nothing was left to claim")
        for lease in leases:
            if lease.job.seq in self._seen:
                raise NotRun(f"job {lease.job.job_id} was claimed twice")
            self._seen.add(lease.job.seq)
            self._held[lease.job.job_id] = lease
        return leases

    async def _end(self, lease: Lease, into: array[float] | None = None, *, waits: array[float] | None = None) -> None:
        await self._ask(lambda: self._store.end(lease, Ending(step=Step.SUCCEEDED)), into, waits=waits)
        del self._held[lease.job.job_id]

    async def _ask(
        self, call: Callable[[], T], into: array[float] | None = None, *, waits: array[float] | None = None
    ) -> T:
        """``into`` gets how long the store took, ``waits`` how long was waited for it in all."""
        asked = time.perf_counter()

        def within() -> T:
            began = time.perf_counter()
            result = call()
            if into is not None:
                into.append((time.perf_counter() - began) * 1000)
            return result

        result = await asyncio.get_running_loop().run_in_executor(self._threads, within)
        if waits is not None:
            waits.append((time.perf_counter() - asked) * 1000)
        return result


if __name__ == "__main__":
    main("A thousand workers at a queue of a million jobs", measure, __doc__)
