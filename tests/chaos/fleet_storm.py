"""What befalls a fleet: each fault is dealt to a worker, timed until the service knows of it, and undone again."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from mintmark.client import Client
from mintmark.orchestrator.fleet.bounds import ANSWER_S, LOOK_EVERY_S, MEMORY_IN_A_ROW
from mintmark.tests.faultproxy.plan import Plan, Rule
from mintmark.tests.faultproxy.proxy import FaultProxy

from .fleet_load import FleetLoad
from .fleet_members import Member
from .report import Report

BOUND_S = LOOK_EVERY_S + ANSWER_S
SLACK_S = 15.0
"""A machine on which all of this runs at once is late itself. What was measured is told as it is."""
CUT = Plan((Rule("*", {"reset": 1.0, "frame_cut": 1.0}),))
"""A line on which nothing passes any more, and nothing that is open goes on."""
PAUSE_S, HOLD_S, LONG_S = (3.0, 10.0), (3.0, 12.0), (70.0, 90.0)
"""Between two faults; how long one lasts once it was noticed; how long now and then, so that jobs are given up."""
LONG = 0.25
FULL_S = 60.0
AT_ONCE = 6
"""Jobs that need memory, asked for at a time while a worker is full."""
PATIENT_S = 20.0
"""An operator who has mended a worker does not wait longer for the end of its pause, in seconds."""


@dataclass
class Noticed:
    """How long each fault went unseen, in seconds, and how many jobs ran out of memory by then."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    jobs: list[int] = field(default_factory=list)
    never: list[str] = field(default_factory=list)

    def tell(self, report: Report) -> None:
        """Each fault beside its bound."""
        for fault, found in sorted(self.seconds.items()):
            told = f"{len(found)} times, after {min(found):.1f} to {max(found):.1f} s; bound {BOUND_S:.0f} s"
            report.row(f"  {fault} noticed", told)
            late = [f"{each:.1f} s" for each in found if each > BOUND_S + SLACK_S]
            report.off(f"times that '{fault}' was noticed late", late)
        if self.jobs:
            told = f"{len(self.jobs)} times, after {min(self.jobs)} to {max(self.jobs)} jobs without memory"
            report.row("  full memory noticed", f"{told}; bound {MEMORY_IN_A_ROW} in a row, {AT_ONCE} come at a time")
            late = [f"{each} jobs" for each in self.jobs if each >= MEMORY_IN_A_ROW + AT_ONCE]
            report.off("times that full memory was noticed late", late)
        report.off("faults that nobody noticed", self.never)


class FleetStorm:
    """``line`` is the proxy before the last of the ``members``."""

    def __init__(self, client: Client, members: list[Member], line: FaultProxy, load: FleetLoad, seed: int) -> None:
        self.dealt: Counter[str] = Counter()
        self.noticed = Noticed()
        self._client, self._members, self._line, self._load = client, members, line, load
        self._chance = random.Random(seed)

    async def rage(self, seconds: float) -> None:
        """One fault after another until that time is over; each kind as often as the others."""
        until, faults = time.monotonic() + seconds, (self._kill, self._freeze, self._cut, self._fill)
        while time.monotonic() < until:
            for fault in self._chance.sample(faults, len(faults)):
                await asyncio.sleep(self._chance.uniform(*PAUSE_S))
                if time.monotonic() >= until:
                    return
                await fault()

    async def calm(self) -> None:
        """Wait until all of them answer again, and have an operator say that they are well."""
        for member in self._members:
            await asyncio.to_thread(member.ready)
            while (await self._told(member.name))["state"] != "up":
                await asyncio.sleep(0.5)
            await self._mended(member)

    # -- faults -------------------------------------------------------------------------------------------------------

    async def _kill(self) -> None:
        async def again(member: Member) -> None:
            await asyncio.sleep(self._chance.uniform(0, 3))
            member.start()

        await self._deal("killed", self._members[:-1], lambda member: member.kill(), again)

    async def _freeze(self) -> None:
        async def thaw(member: Member) -> None:
            await self._hold()
            member.thaw()

        await self._deal("frozen", self._members[:-1], lambda member: member.freeze(), thaw)

    async def _cut(self) -> None:
        def cut(member: Member) -> None:
            self._line.plan = CUT

        async def join(member: Member) -> None:
            await self._hold()
            self._line.plan = Plan()

        await self._deal("cut off", self._members[-1:], cut, join)

    async def _hold(self) -> None:
        long = self._chance.random() < LONG
        await asyncio.sleep(self._chance.uniform(*(LONG_S if long else HOLD_S)))

    async def _deal(
        self,
        name: str,
        members: list[Member],
        strike: Callable[[Member], None],
        undo: Callable[[Member], Awaitable[None]],
    ) -> None:
        """To one of these that is well; whoever is not has its own trouble."""
        well = [member for member in members if await self._well(member)]
        if not well:
            return
        member = self._chance.choice(well)
        self.dealt[name] += 1
        began = time.monotonic()
        await asyncio.to_thread(strike, member)
        if await self._seen(member, began + BOUND_S + 4 * SLACK_S):
            self.noticed.seconds[name].append(time.monotonic() - began)
        else:
            self.noticed.never.append(f"{name}: {member.name}")
        await undo(member)

    async def _fill(self) -> None:
        """Whoever gets the job that fills a worker is full: what needs memory then fails there, until it gets none."""
        job = await self._load.ended(await self._load.fill())
        name = job["worker"]
        if job["status"] != "succeeded":
            return
        self.dealt["filled"] += 1
        until, failed = time.monotonic() + FULL_S - 10, 0
        while time.monotonic() < until:
            jobs = [await self._load.ended(job_id) for job_id in [await self._load.paint() for _ in range(AT_ONCE)]]
            failed += sum(job["status"] == "failed" and job["worker"] == name for job in jobs)
            if (await self._told(name))["standing"] != "up":
                self.noticed.jobs.append(failed)
                break
        else:
            self.noticed.never.append(f"filled: {name} ({failed} jobs failed there)")
        await asyncio.sleep(max(until + 10 - time.monotonic(), 0.0))

    # -- what the service says ----------------------------------------------------------------------------------------

    async def _told(self, name: str) -> dict[str, Any]:
        return dict(await self._client._line.json("GET", f"/v1/workers/{name}"))

    async def _seen(self, member: Member, until: float) -> bool:
        while time.monotonic() < until:
            told = await self._told(member.name)
            if told["state"] != "up" or told["standing"] != "up":
                return True
            await asyncio.sleep(0.05)
        return False

    async def _well(self, member: Member) -> bool:
        """Whether it gets jobs. Where it answers and has to wait for long, an operator says that it is mended."""
        told = await self._told(member.name)
        if told["state"] == "up" and _waits_s(told) > PATIENT_S:
            told = await self._mended(member)
        return bool(told["state"] == "up" and told["standing"] == "up")

    async def _mended(self, member: Member) -> dict[str, Any]:
        return dict(await self._client._line.json("PATCH", f"/v1/workers/{member.name}", {"state": "up"}))


def _waits_s(told: dict[str, Any]) -> float:
    """In how many seconds its pause is over."""
    if told["until"] is None:
        return 0.0
    return (datetime.fromisoformat(told["until"].replace("Z", "+00:00")) - datetime.now(timezone.utc)).total_seconds()
