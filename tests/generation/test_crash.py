"""SIGKILL at every step of a call: afterwards the books are the provider's, and nothing was asked twice."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from pathlib import Path

import pytest

from mintmark.errors import ChargeUnknown
from mintmark.generation.context import JobContext
from mintmark.providers.request import Delivery
from mintmark.sandbox import Sandbox

from .crash import generate
from .lab import MINI, ONE_BY_ONE, SCHNELL, Lab, open_lab

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX's")


async def again(lab: Lab, model: str, job_id: str, count: int, delivery: Delivery) -> bool:
    """The same job once more, in a new process; whether it gave its images."""
    job = JobContext(job_id=job_id, allowance_microusd=0, mode="sandbox", local=True, delivery=delivery)
    lab.engine.journal.open_job(job)
    try:
        made = await lab.generate(job, model, count=count, seed=1)
    except ChargeUnknown:
        return False
    # One of several calls may be in doubt: the others' images come all the same, and what is missing is told.
    assert len(made.pictures) + made.record.withheld == count
    return not made.record.withheld


async def check(
    folder: Path, sandbox: Sandbox, model: str, job_id: str, count: int, delivery: Delivery, when: str
) -> str:
    """The states of its calls in the end, after all that must hold then was checked."""
    async with open_lab(folder, sandbox) as lab:
        delivered = await again(lab, model, job_id, count, delivery)
        lab.engine.books.catch_up()
        states = lab.states()
        assert set(states) <= {"settled", "released", "unknown"}, when
        settled, unknown = await lab.balanced()
        bill = await lab.bill()
        assert len(bill) <= count, f"{when}: a call was made twice"
        assert await lab.asked() <= count, when
        assert lab.engine.ledger.totals().set_aside_microusd == 0, f"{when}: an allowance was never given back"
        assert delivered is (unknown == 0), when
        if model != MINI or delivery == "batch":
            named = [call for call in lab.calls() if call.state == "unknown" and call.request_id]
            assert named == [], f"{when}: it had been named"
        if delivered:
            assert settled == sum(line["microusd"] for line in bill), when
        return "+".join(sorted(states))


async def moments(folder: Path, model: str, count: int, delivery: Delivery) -> int:
    """How many moments there are in one generation."""
    async with Sandbox(latency_s=0.01) as sandbox:
        status, seen = await generate(folder, sandbox.url, model, str(uuid.uuid4()), 0, count, delivery)
    assert status == 0
    return seen


@pytest.mark.parametrize(
    ("model", "count", "delivery"),
    [(SCHNELL, 1, "now"), (MINI, 1, "now"), (MINI, 1, "batch"), (ONE_BY_ONE, 2, "now")],
)
async def test_killed_at_any_step_the_books_are_even_and_nothing_is_asked_twice(
    tmp_path: Path, model: str, count: int, delivery: Delivery
) -> None:
    every = await moments(tmp_path / "count", model, count, delivery)
    assert every >= 12
    gate = asyncio.Semaphore(2)

    async def die_at(at: int) -> str:
        job_id = str(uuid.uuid4())
        folder = tmp_path / str(at)
        async with gate, Sandbox(latency_s=0.01) as sandbox:
            status, _ = await generate(folder, sandbox.url, model, job_id, at, count, delivery)
            assert status == -signal.SIGKILL
            return await check(folder, sandbox, model, job_id, count, delivery, f"moment {at} of {every}")

    # Of several calls at once every third moment is enough: each single step is in the cases before.
    ends = await asyncio.gather(*(die_at(at) for at in range(1, every + 1, 3 if count > 1 else 1)))
    if count == 1:
        # The kills really hit different steps: before asking, while asked, and after the settlement.
        assert {"settled", "released+settled", "unknown"} <= set(ends)
