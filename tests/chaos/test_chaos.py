"""``make chaos MINUTES=5``: service, runners and sockets killed at random under load; nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from mintmark.client import Client
from mintmark.tests.acceptance.conftest import Server
from mintmark.tests.faultproxy.plan import Plan, Rule
from mintmark.tests.faultproxy.proxy import FaultProxy

from .checking import all_over, all_told, check_money, check_once
from .house import House
from .load import Load
from .receiver import Receiver

MINUTES = float(os.environ.get("MINTMARK_CHAOS_MINUTES", "0.5"))
SEED = int(os.environ.get("MINTMARK_CHAOS_SEED", "20261121"))
CALLERS = Plan(
    (Rule("GET *events", {"reset": 0.1}), Rule("*", {"reset": 0.03, "drop_answer": 0.05, "error_after": 0.03}))
)
"""What the callers' line does to them."""
WORKER = Plan((Rule("GET /ws", {"reset": 0.1, "frame_drop": 0.05, "frame_close": 0.02}), Rule("*", {"reset": 0.03})))
"""What the line to the second worker does."""


async def kill_at_random(house: House, chance: random.Random, until: float) -> Counter[str]:
    """Kill the service or a runner every few seconds."""
    killed: Counter[str] = Counter()
    while time.monotonic() < until:
        await asyncio.sleep(chance.uniform(2, 6))
        if chance.random() < 0.5:
            await asyncio.to_thread(house.kill_service)
            killed["service"] += 1
            await asyncio.sleep(chance.uniform(0, 1))
            house.start()
        elif house.kill_runner():
            killed["runner"] += 1
    return killed


@pytest.mark.acceptance
@pytest.mark.timeout(0)  # it takes as long as it is told to
async def test_every_accepted_job_ends_once_is_paid_once_and_told(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    house = House(tmp_path)
    house.open()
    other = Server(
        *("runner", "--base-dir", tmp_path / "other", "--db", tmp_path / "other.db"),
        env={**house.env, "MINTMARK_DATA_DIR": str(tmp_path / "other-data")},
        log=tmp_path / "other.log",
    )
    try:
        async with (
            FaultProxy.before(other.url, seed=SEED, plan=WORKER) as far,
            FaultProxy.before(house.url, seed=SEED + 1, plan=CALLERS) as near,
            Receiver(chance) as receiver,
        ):
            house.kill_service()
            house.more = ("--worker", far.url)
            house.start()
            await house.ready()
            async with Client(house.url) as client:
                receiver.secret = (await client._line.json("POST", "/v1/webhooks/secret/rotate", {}))["secret"]
            load, seconds = Load(near.url, receiver.url), MINUTES * 60
            until = time.monotonic() + seconds
            killed, _ = await asyncio.gather(kill_at_random(house, chance, until), load.run(seconds))
            await house.ready()
            jobs = await all_over(house.url, load.accepted)
            await check_once(house.url, jobs)
            await all_told(receiver, jobs)
            money = await asyncio.to_thread(check_money, house, load)
        ended = Counter(job.error["code"] if job.error else job.status for job in jobs)
        why = {job.error["code"]: job.error["message"] for job in jobs if job.error}
        print(f"\nchaos, seed {SEED}: {len(jobs)} jobs {dict(ended)}, killed {dict(killed)}, money {money}\n{why}")  # noqa: T201 - what a person ran it for
        assert ended["succeeded"] > 0 and killed["service"] > 0
    finally:
        house.close()
        other.stop()
