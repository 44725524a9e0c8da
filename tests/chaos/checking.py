"""What must hold after the storm: see promises 1, 2 and 4 of the design. What does not is told by name."""

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
from .report import Report

SETTLE_S = 180.0
"""How long nothing may come to its end, before what has not counts as lost."""
ALLOWED = frozenset({"succeeded", "charge_unknown"})
"""How a job may end: a call whose answer died with its runner is in doubt where its provider takes no id of ours, and
then nobody asks again. Whatever else a job fails of, lies in no job of this load."""


async def all_over(url: str, accepted: dict[str, str], report: Report) -> list[Job]:
    """Every accepted job, once it is over; as long as some still come to their end."""
    moved, jobs, left = time.monotonic(), [], set(accepted)
    async with Client(url) as client:
        while left and time.monotonic() - moved < SETTLE_S:
            for job_id in sorted(left):
                job = await client.job(job_id)
                if job.over:
                    jobs.append(job)
                    left.discard(job_id)
                    moved = time.monotonic()
            await asyncio.sleep(0.5)
    report.off("jobs that never ended", sorted(left))
    return jobs


def check_outcomes(jobs: list[Job], report: Report, allowed: frozenset[str] = ALLOWED) -> Counter[str]:
    """How the jobs ended; a failure that lies in no job is off."""
    ended = Counter(_outcome(job) for job in jobs)
    report.row("jobs", f"{len(jobs):,} accepted")
    report.counts("  ended", ended)
    wrong = [job for job in jobs if _outcome(job) not in allowed]
    for outcome in sorted({_outcome(job) for job in wrong}):
        found = [job for job in wrong if _outcome(job) == outcome]
        why = str(found[0].error["message"]) if found[0].error else job_status(found[0])
        report.off(f"jobs that ended as {outcome} ({why})", [job.job_id for job in found])
    return ended


def _outcome(job: Job) -> str:
    return str(job.error["code"]) if job.error else job_status(job)


def job_status(job: Job) -> str:
    """In a word."""
    return str(job.status)


async def check_once(url: str, jobs: list[Job], report: Report) -> None:
    """Each job has one terminal event, and each picture of one that succeeded is there, whole."""
    torn, bare, several, pictures = [], [], [], 0
    async with Client(url) as client:
        for job in jobs:
            ends = [update.kind async for update in client.stream(job) if update.last]
            if len(ends) != 1:
                several.append(f"{job.job_id} {ends}")
            for output in job.outputs:
                pictures += 1
                if hashlib.sha256(await client.download(output)).hexdigest() != output.sha256:
                    torn.append(job.job_id)
            if job.status == "succeeded" and not job.outputs:
                bare.append(job.job_id)
    report.row("pictures", f"{pictures:,} fetched, each as its digest says")
    report.off("jobs without exactly one terminal event", several)
    report.off("jobs with a damaged picture", torn)
    report.off("jobs that succeeded without a picture", bare)


def check_money(house: House, load: Load, report: Report) -> None:
    """What the provider billed is what the ledger settled plus what is unknown, and no prompt was asked twice."""
    bill = list(house.sandbox.ask("GET", "/_sandbox/bill")["lines"])
    calls = house.sandbox.ask("GET", "/_sandbox/calls?kind=generation")
    ledger = house.ledger()
    settled = {line["request_id"]: line["microusd"] for line in ledger if line["kind"] == "settled"}
    unknown = {line["call_id"]: line for line in ledger if line["kind"] == "unknown"}
    paid, doubts, doubted = sum(settled.values()), len(unknown), 0
    for line in bill:
        if (charge := settled.pop(line["request_id"], None)) is not None:
            if charge != line["microusd"]:
                report.off("calls settled at another price than billed", [line])
        elif _explained(line, unknown):
            doubted += line["microusd"]
        else:
            report.off("lines of the bill that nobody booked", [line])
    report.off("calls settled and never billed", settled)
    asked = Counter(str(call["body"]["prompt"]) for call in calls)
    report.off("prompts asked twice", [prompt for prompt, times in asked.items() if times > 1])
    known = set(load.accepted.values()) | load.unsure
    report.off("prompts of nobody", set(asked) - known)
    held = house.sums()["set_aside_microusd"]
    if held:
        report.off("micro-dollars set aside for nobody", [held])
    billed = sum(line["microusd"] for line in bill)
    report.row("asked", f"{len(calls):,} calls for {len(asked):,} prompts, {len(bill):,} billed")
    report.row("money", f"billed {billed:,} µ$ = settled {paid:,} + in doubt {doubted:,}")
    report.row("  doubts", f"{doubts:,} calls unknown, {doubts - len(unknown):,} of them billed")


def _explained(line: dict[str, Any], unknown: dict[str, Any]) -> bool:
    if line["client_request_id"]:
        return unknown.pop(line["client_request_id"], None) is not None
    same = [each for each in unknown.values() if each["provider"] == line["provider"]]
    enough = [each for each in same if each["microusd"] >= line["microusd"]]
    return bool(enough) and unknown.pop(enough[0]["call_id"], None) is not None


async def all_told(receiver: Receiver, jobs: list[Job], report: Report) -> None:
    """Every job's end was delivered, at least once, and the Standard Webhooks library took its signature."""
    ends = {(job.job_id, f"job.{job.status}") for job in jobs}
    moved, before = time.monotonic(), len(ends)
    while (missing := ends - receiver.seen.keys()) and time.monotonic() - moved < SETTLE_S:
        if len(missing) < before:
            moved, before = time.monotonic(), len(missing)
        await asyncio.sleep(0.5)
    several = sum(count > 1 for count in receiver.seen.values())
    told = f"{len(ends) - len(missing):,} of {len(ends):,} ends verified, {several:,} of them more than once"
    report.row("webhooks", f"{told}; {receiver.broken:,} answered 503, {receiver.refused:,} bad signatures")
    report.off("webhooks that never came", sorted(job_id for job_id, _ in missing))
    wrong = {key for key in receiver.seen if key not in ends and key[0] in {job.job_id for job in jobs}}
    report.off("webhooks of an end that was none", sorted(wrong))
    if receiver.refused:
        report.off("webhooks whose signature did not hold", range(receiver.refused))
