"""Two orchestrators on one PostgreSQL share a fleet, and one of them is killed: no job is run twice, none is lost."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mintmark.client import Client, Job
from mintmark.errors import MintmarkError
from mintmark.tests.metering.postgres import database

from .fleet_house import FleetHouse

JOBS, CALLERS = 320, 16
KILLED_AFTER = 80
"""Jobs that are over when the first orchestrator is killed."""
WITHIN_S = 400.0
"""A lease of the dead lasts a minute; the rest is for a busy machine."""
LOOK_S = 0.05

_HELD = "SELECT job_id, fence, lease_owner, worker FROM jobs WHERE state = 'running'"

Holders = dict[str, dict[int, set[str]]]
"""Who was seen to hold a job, by job and fence."""


class Watch:
    """Looks at who holds which job, all the time, as nobody else can: in the database itself."""

    def __init__(self, url: str) -> None:
        from mintmark.storage.postgres_store import Address, connect

        self.seen: Holders = defaultdict(lambda: defaultdict(set))
        self.workers: set[str] = set()
        address = Address.parse(url)
        self._connection = connect(address)
        self._connection.run(f"SET search_path TO {address.schema}")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            for job_id, fence, owner, worker in self._connection.run(_HELD):
                self.seen[job_id][fence].add(owner)
                self.workers.add(worker)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[FleetHouse]:
    with database() as url:
        opened = FleetHouse(tmp_path, url)
        try:
            yield opened
        finally:
            opened.close()


@asynccontextmanager
async def clients(*urls: str) -> AsyncIterator[list[Client]]:
    opened = [Client(url, timeout_s=30) for url in urls]
    try:
        yield [await each.__aenter__() for each in opened]
    finally:
        for each in opened:
            await each.__aexit__()


async def ask(number: int, to: list[Client]) -> Job:
    """One job, by the orchestrator whose turn it is, or by the other where that is gone: under one key, it is one."""
    key, order = str(uuid.uuid4()), (to if number % 2 else to[::-1])
    until = time.monotonic() + WITHIN_S
    while True:
        for client in order:
            try:
                inputs = {"prompt": f"boat number {number}", "width": 64, "height": 64}
                return await client.submit("text-to-image", inputs, idempotency_key=key)
            except MintmarkError as exc:
                if exc.code not in ("service_unreachable", "not_ready"):
                    raise
        assert time.monotonic() < until
        await asyncio.sleep(0.2)


async def over(client: Client) -> list[Job]:
    """The jobs that are over."""
    return [job async for job in client.jobs() if job.over]


async def ended(client: Client, jobs: set[str]) -> list[Job]:
    until = time.monotonic() + WITHIN_S
    while True:
        found = {job.job_id: job for job in await over(client)}
        if jobs <= found.keys():
            return list(found.values())
        left = [await client.job(job_id) for job_id in sorted(jobs - found.keys())[:5]]
        assert time.monotonic() < until, f"{len(jobs - found.keys())} are not over: {left}"
        await asyncio.sleep(1.0)


async def last_words(client: Client, job: Job) -> int:
    """How many ends the job has."""
    return len([update async for update in client.stream(job) if update.last])


@pytest.mark.acceptance
@pytest.mark.timeout(900)
async def test_two_orchestrators_share_a_fleet_and_one_is_killed(house: FleetHouse) -> None:
    named = [house.hire(name).url for name in ("one", "two")]
    first, second = house.open("first", named), house.open("second", named)
    # The third is told to one of them only, and both have it: it is in the database.
    first.ask("POST", "/v1/workers", {"url": house.hire("three").url, "name": "three"})
    with Watch(house.database) as watch:
        async with clients(first.url, second.url) as (one, two):
            numbers = iter(range(JOBS))

            async def caller() -> list[Job]:
                return [await ask(number, [one, two]) for number in numbers]

            async def killer() -> None:
                while len(await over(two)) < KILLED_AFTER:
                    await asyncio.sleep(0.2)
                await asyncio.to_thread(house.kill, "first")

            told = await asyncio.gather(killer(), *(caller() for _ in range(CALLERS)))
            accepted = [job.job_id for jobs in told[1:] if jobs for job in jobs]
            jobs = await ended(two, set(accepted))
            ends = {job.job_id: await last_words(two, job) for job in jobs}
    assert len(accepted) == len(set(accepted)) == len(jobs) == JOBS
    assert Counter(job.status for job in jobs) == {"succeeded": JOBS}, [job.error for job in jobs if job.error][:3]
    assert {job_id for job_id, last in ends.items() if last != 1} == set(), "more than one end"
    check_leases(watch.seen)
    assert house.prompts() == {f"boat number {number}": 1 for number in range(JOBS)}
    house.check_money()
    assert watch.workers == {*named, "three"}, "not all of the fleet was used"


def check_leases(seen: Holders) -> None:
    """A lease was only ever one orchestrator's, and both had some; those of the dead one were taken over."""
    twice = {job_id: holders for job_id, fences in seen.items() for holders in fences.values() if len(holders) > 1}
    assert twice == {}
    last = [max(fences) for fences in seen.values()]
    assert len({owner for fences in seen.values() for owners in fences.values() for owner in owners}) == 2
    assert max(last) > 1, "nothing ran on the one that was killed"
