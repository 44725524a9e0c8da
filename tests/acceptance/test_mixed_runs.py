"""500 mixed runs, with a provider that fails in every way and a process that is killed again and again."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from pathlib import Path

import pytest

from mintmark.sandbox import Sandbox
from mintmark.tests.generation.lab import open_lab

from .signed import Desk, check_files, check_report

RUNS, SIGNED, KILLS = 470, 30, 25
"""By the engine alone, many at once; by ``mintmark run``, with files that are signed; deaths of the former."""
FAULTS = [
    {"provider": "openai", "kind": "status", "status": 500, "probability": 0.05, "path": "images"},
    {"provider": "openai", "kind": "drop_before", "probability": 0.05, "path": "images"},
    {"provider": "openai", "kind": "drop_after", "probability": 0.05, "path": "images"},
    {"provider": "openai", "kind": "truncated", "probability": 0.03, "path": "images"},
    {"provider": "openai", "kind": "bad_json", "probability": 0.03, "path": "images"},
    {"provider": "openai", "kind": "policy_output", "probability": 0.03},
    {"provider": "fal", "kind": "status", "status": 503, "probability": 0.03},
    {"provider": "fal", "kind": "drop_after", "probability": 0.03},
    {"provider": "fal", "kind": "expired_url", "probability": 0.03},
    {"provider": "fal", "kind": "policy_input", "probability": 0.03},
]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX's")


async def live(folder: Path, url: str, die_after_s: float | None) -> bool:
    """One life of the process that makes the orders; whether it came to its end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mintmark.tests.acceptance.mixed", str(folder), url, str(RUNS)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    told = asyncio.create_task(process.communicate())
    if die_after_s is not None:
        await asyncio.wait([told], timeout=die_after_s)
        if not told.done():
            process.kill()
    _, err = await told
    assert process.returncode in (0, -signal.SIGKILL), err.decode()
    return process.returncode == 0


@pytest.mark.acceptance
async def test_after_500_mixed_runs_the_bill_is_what_the_books_say(tmp_path: Path) -> None:
    chance = random.Random(20261121)
    async with Sandbox(latency_s=0.01) as sandbox:
        async with open_lab(tmp_path / "elsewhere", sandbox) as lab:
            await lab.fail(*FAULTS)
        killed = 0
        while not await live(tmp_path, sandbox.url, chance.uniform(0.3, 2.5) if killed < KILLS else None):
            killed += 1
        assert killed >= 5
        desk = Desk(tmp_path, sandbox.url, chance)
        results = await desk.orders(SIGNED)
        assert len(results) > SIGNED // 2 and desk.killed
        async with open_lab(tmp_path, sandbox) as lab:
            settled, unknown = await lab.balanced()
            ledger = lab.engine.ledger
            assert ledger.problems() == []
            totals, lines = ledger.totals(), {line.call_id: line for line in ledger.lines(limit=100_000)}
            assert totals.set_aside_microusd == 0
            assert (totals.settled_microusd, totals.unknown_microusd) == (settled, unknown)
            for by in ("model", "project", "day", "user"):
                report = ledger.report(by)
                assert sum(line.microusd for line in report) == settled
                assert sum(line.unknown_microusd for line in report) == unknown
            bill = await lab.bill()
            billed = {line["request_id"] for line in bill}
            booked = {line.request_id for line in lines.values() if line.kind == "settled"}
            doubted = sum(line["microusd"] for line in bill if line["request_id"] not in booked)
            assert sum(line["microusd"] for line in bill) == settled + doubted
            assert doubted <= unknown
            assert booked - {None} <= billed
        _, told = await desk.command("ledger", "list", "--limit", 100_000)
        total = await check_report(desk, bill, told)
        assert (total["microusd"], total["unknown_microusd"]) == (settled, unknown)
        await check_files(desk, results, told)
    orders = [json.loads(line) for line in (tmp_path / "done.jsonl").read_text().splitlines()]
    assert {each["number"] for each in orders} == set(range(RUNS))
    receipts = {receipt["call_id"]: receipt for each in orders for receipt in each["receipts"]}
    assert len(receipts) > RUNS // 2
    for call_id, receipt in receipts.items():
        assert (receipt["microusd"], receipt["request_id"]) == (lines[call_id].microusd, lines[call_id].request_id)
