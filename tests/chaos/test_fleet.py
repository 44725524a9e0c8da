"""``make chaos MINUTES=10``, its second part: a fleet of three workers, killed, frozen, cut off and filled in turn.

One of them is a real ComfyUI where ``COMFYUI_PATH`` names a checkout, one stands behind a proxy that can cut its line.
Each fault is timed until the service knows of it. Afterwards every job has ended once, by its last attempt, and what
the provider has billed is in the books.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from mintmark.client import Client
from mintmark.errors import ServiceUnreachable
from mintmark.tests.faultproxy.proxy import FaultProxy

from .checking import ALLOWED, all_over, all_told, check_money, check_once, check_outcomes
from .fleet_load import FleetLoad
from .fleet_members import ComfyMember, Member
from .fleet_storm import FULL_S, FleetStorm
from .house import READY_S, House
from .receiver import Receiver
from .report import Report
from .test_chaos import MINUTES, SEED

LATENCY_S = 2.0
"""What the provider takes, so that every fault finds jobs at work."""
ENDS = ALLOWED | {"worker_lost", "node_failed"}
"""A worker that is away for longer than it is waited for has lost its jobs; one that is full fails those that need
memory, because no other has more."""


@contextmanager
def house(folder: Path) -> Iterator[House]:
    opened = House(folder, more=("--runners", "0"), latency_s=LATENCY_S)
    opened.open()
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def members(folder: Path, env: dict[str, str]) -> Iterator[list[Member]]:
    kinds = [ComfyMember if os.environ.get("COMFYUI_PATH") else Member, Member, Member]
    env = {name: value for name, value in env.items() if not name.startswith("MINTMARK_SERVICE_")}
    made = [kind(name, folder / name, env) for kind, name in zip(kinds, ("first", "second", "third"), strict=True)]
    try:
        for member in made:
            member.start()
        for member in made:
            member.ready()
        yield made
    finally:
        for member in made:
            member.stop()


async def hire(client: Client, member: Member) -> None:
    """Add it, once there is a service that can be told."""
    until, there = time.monotonic() + READY_S, False
    while not there:
        try:
            await client._line.json("POST", "/v1/workers", {"url": member.line, "name": member.name})
            there = True
        except ServiceUnreachable:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.2)


def check_fences(database: Path, report: Report) -> None:
    """The end of each job is its last event, and it came by the attempt that was begun last."""
    late, other = [], []
    with closing(sqlite3.connect(database, timeout=60)) as db:
        attempts = dict(db.execute("SELECT seq, attempt FROM jobs"))
        events: dict[int, list[tuple[str, dict[str, object]]]] = {}
        for seq, kind, data in db.execute("SELECT job_seq, kind, data FROM job_events ORDER BY job_seq, seq"):
            events.setdefault(seq, []).append((kind, json.loads(data)))
    again = sum(kind == "requeued" for told in events.values() for kind, _ in told)
    resumed = sum(kind == "resumed" for told in events.values() for kind, _ in told)
    for seq, told in events.items():
        claims = [data.get("attempt") for kind, data in told if kind == "claimed"]
        if told[-1][0] in ("claimed", "requeued", "resumed", "queued"):
            late.append(seq)
        if claims and claims[-1] != attempts[seq]:
            other.append(seq)
    report.row("attempts", f"{again:,} jobs waited again, {resumed:,} attempts were taken over")
    report.off("jobs to which something happened after their end", late)
    report.off("jobs that were not ended by their last attempt", other)


def refused(house: House) -> int:
    """How many words of fenced attempts were refused, by the service's log."""
    logs = house.folder.glob("service-*.log")
    return sum(log.read_text(encoding="utf-8", errors="replace").count("was ended by somebody else") for log in logs)


@pytest.mark.acceptance
@pytest.mark.timeout(0)  # it takes as long as it is told to
@pytest.mark.skipif(sys.platform == "win32", reason="kills and freezes by signals")
async def test_a_fleet_survives_what_befalls_its_workers(tmp_path: Path) -> None:
    report, chance = Report(), random.Random(SEED)
    with house(tmp_path) as home, members(tmp_path, home.env) as fleet:
        async with (
            FaultProxy.before(fleet[-1].url, seed=SEED) as line,
            Receiver(chance) as receiver,
            Client(home.url) as client,
        ):
            fleet[-1].line = line.url
            for member in fleet:
                await hire(client, member)
            await home.ready()
            receiver.secret = (await client._line.json("POST", "/v1/webhooks/secret/rotate", {}))["secret"]
            load = FleetLoad(client, receiver)
            await load.publish(FULL_S)
            storm = FleetStorm(client, fleet, line, load, SEED)
            await storm.calm()
            await asyncio.gather(storm.rage(MINUTES * 60), load.run(MINUTES * 60))
            await storm.calm()
            jobs = await all_over(home.url, load.accepted, report)
            report.row("fleet", f"seed {SEED}, {MINUTES:g} min; first: {type(fleet[0]).__name__}")
            report.counts("dealt", storm.dealt)
            storm.noticed.tell(report)
            report.counts("refused", load.refused)
            ended = check_outcomes(jobs, report, ENDS)
            check_fences(tmp_path / "data" / "sandbox" / "ledger.sqlite3", report)
            report.row("late words", f"{refused(home):,} refused")
            await check_once(home.url, jobs, report)
            await all_told(receiver, jobs, report)
            await asyncio.to_thread(check_money, home, load, report)
    print(f"\n{report}")  # noqa: T201 - what a person ran it for
    assert report.problems == []
    assert ended["succeeded"] > 0 and storm.dealt
