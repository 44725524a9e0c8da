"""``make chaos MINUTES=5``: service, runners and sockets killed at random under load; nothing lost, nothing twice.

``MINTMARK_CHAOS_SEED`` says which storm. It ends with a table of what happened; what is off is told by name, and fails.

The parts can be used for other storms: :class:`House` is a service with its sandbox as processes (``more``: further
arguments of ``mintmark serve``, such as workers, which stand behind a ``FaultProxy`` or not), :class:`Load` callers
whose jobs each have a prompt of their own, :class:`Receiver` takes the webhooks, :class:`Storm` deals any ``blows``
(functions that do something bad and say whether they did), and ``checking`` says in a :class:`Report` what must hold
afterwards, whatever was dealt. A storm of one's own opens these as the test below does, hands them to :func:`weather`
and adds its own rows to the report.
"""

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

from .checking import all_over, all_told, check_money, check_once, check_outcomes
from .house import House
from .load import Load
from .receiver import Receiver
from .report import Report
from .storm import Storm, kills

MINUTES = float(os.environ.get("MINTMARK_CHAOS_MINUTES", "0.5"))
SEED = int(os.environ.get("MINTMARK_CHAOS_SEED", "20261121"))
CALLERS = Plan(
    (Rule("GET *events", {"reset": 0.1}), Rule("*", {"reset": 0.03, "drop_answer": 0.05, "error_after": 0.03}))
)
"""What the callers' line does to them."""
WORKER = Plan((Rule("GET /ws", {"reset": 0.1, "frame_drop": 0.05, "frame_close": 0.02}), Rule("*", {"reset": 0.03})))
"""What the line to the second worker does."""


async def weather(house: House, storm: Storm, load: Load, receiver: Receiver, seconds: float, report: Report) -> None:
    """Load and blows for so long; then what must hold."""
    async with Client(house.url) as client:
        receiver.secret = (await client._line.json("POST", "/v1/webhooks/secret/rotate", {}))["secret"]
    began = time.monotonic()
    await asyncio.gather(storm.rage(seconds), load.run(seconds))
    await house.ready()
    raged = time.monotonic()
    jobs = await all_over(house.url, load.accepted, report)
    settled = time.monotonic()
    report.row("storm", f"{raged - began:.0f} s, and {settled - raged:.0f} s until all jobs were over")
    report.counts("dealt", storm.dealt)
    report.counts("refused", load.refused)
    ended = check_outcomes(jobs, report)
    await check_once(house.url, jobs, report)
    await all_told(receiver, jobs, report)
    await asyncio.to_thread(check_money, house, load, report)
    if not ended["succeeded"]:
        report.off("storms in which no job succeeded", ["this one"])


@pytest.mark.acceptance
@pytest.mark.timeout(0)  # it takes as long as it is told to
async def test_every_accepted_job_ends_once_is_paid_once_and_told(tmp_path: Path) -> None:
    chance, report = random.Random(SEED), Report()
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
            blows = Storm(house, chance, kills(house, chance))
            report.row("chaos", f"seed {SEED}, {MINUTES:g} min")
            await weather(house, blows, Load(near.url, receiver), receiver, MINUTES * 60, report)
            for name, line in (("sockets to the callers", near), ("sockets to the far worker", far)):
                report.counts(name, Counter(each.fault for each in line.log))
        print(f"\n{report}")  # noqa: T201 - what a person ran it for
        assert report.problems == []
        assert blows.dealt["service"] > 0
    finally:
        house.close()
        other.stop()
