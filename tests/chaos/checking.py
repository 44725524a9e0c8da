"""What must hold after the storm: see promises 1, 2 and 4 of the design."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from typing import Any

from mintmark.client import Client, Job

from .house import House
from .load import Load
from .receiver import Receiver

SETTLE_S = 180.0


async def all_over(url: str, accepted: dict[str, str]) -> list[Job]:
    """Every accepted job, once it is over."""
    until, jobs, left = time.monotonic() + SETTLE_S, [], set(accepted)
    async with Client(url) as client:
        while left:
            assert time.monotonic() < until, f"{len(left)} jobs never ended, among them {sorted(left)[:3]}"
            for job_id in sorted(left):
                job = await client.job(job_id)
                if job.over:
                    jobs.append(job)
                    left.discard(job_id)
            await asyncio.sleep(0.5)
    return jobs


async def check_once(url: str, jobs: list[Job]) -> None:
    """Each job has one terminal event, and each picture of one that succeeded is there, whole."""
    async with Client(url) as client:
        for job in jobs:
            ends = [update.kind async for update in client.stream(job) if update.last]
            assert len(ends) == 1, (job.job_id, ends)
            for output in job.outputs:
                data = await client.download(output)
                assert hashlib.sha256(data).hexdigest() == output.sha256
            assert job.status != "succeeded" or job.outputs


def check_money(house: House, load: Load) -> dict[str, int]:
    """What the provider billed is what the ledger settled plus what is unknown, and no prompt was asked twice."""
    bill = list(house.sandbox.ask("GET", "/_sandbox/bill")["lines"])
    ledger = house.ledger()
    settled = {line["request_id"]: line["microusd"] for line in ledger if line["kind"] == "settled"}
    unknown = {line["call_id"]: line for line in ledger if line["kind"] == "unknown"}
    doubted = 0
    for line in bill:
        if (charge := settled.pop(line["request_id"], None)) is not None:
            assert charge == line["microusd"]
            continue
        assert _explained(line, unknown), line
        doubted += line["microusd"]
    assert settled == {}, "settled, but never billed"
    calls = house.sandbox.ask("GET", "/_sandbox/calls?kind=generation")
    asked = Counter(str(call["body"]["prompt"]) for call in calls)
    assert [prompt for prompt, times in asked.items() if times > 1] == []
    known = set(load.accepted.values()) | load.unsure
    assert set(asked) <= known, "somebody else's prompts"
    assert house.sums()["set_aside_microusd"] == 0
    return {"billed": sum(line["microusd"] for line in bill), "in_doubt": doubted, "calls": len(calls)}


def _explained(line: dict[str, Any], unknown: dict[str, Any]) -> bool:
    if line["client_request_id"]:
        return unknown.pop(line["client_request_id"], None) is not None
    same = [each for each in unknown.values() if each["provider"] == line["provider"]]
    enough = [each for each in same if each["microusd"] >= line["microusd"]]
    return bool(enough) and unknown.pop(enough[0]["call_id"], None) is not None


async def all_told(receiver: Receiver, jobs: list[Job]) -> None:
    """Every job's end was delivered, at least once, signed."""
    until = time.monotonic() + SETTLE_S
    while missing := [job for job in jobs if not receiver.seen[job.job_id, f"job.{job.status}"]]:
        assert time.monotonic() < until, f"{len(missing)} webhooks never came, as of {missing[0].job_id}"
        await asyncio.sleep(0.5)
    assert receiver.refused == 0
