"""Eight processes on one allowance and one budget: never overspent, and nothing that fits is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mintmark.generation.sqlite_journal import SqliteJournal
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.tests.contracts.journal import context, numbers

from .crowd import PRICE

PROCESSES, TRIES, FITS = 8, 12, 50


def start(folder: Path, job_id: str, budget: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mintmark.tests.generation.crowd", str(folder), job_id, str(budget), str(TRIES)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_crowd_spends_exactly_what_there_is(tmp_path: Path) -> None:
    job, limit = context(FITS * PRICE + PRICE // 2), FITS * PRICE + PRICE // 2
    journal = SqliteJournal(tmp_path)
    journal.open_job(job)
    crowd = [start(tmp_path, job.job_id, limit) for _ in range(PROCESSES)]
    for each in crowd:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in crowd:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    counts = [tuple(map(int, each.communicate()[0].split())) for each in crowd]
    assert sum(held for held, _ in counts) == FITS
    assert sum(allowed for _, allowed in counts) == FITS
    assert numbers(journal.report(job.job_id)) == (limit, 0, FITS * PRICE, PRICE // 2)
    ledger = SqliteLedger(tmp_path, budget_microusd=limit)
    assert ledger.totals().taken_microusd == FITS * PRICE
    journal.close()
    ledger.close()
