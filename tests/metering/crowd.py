"""Many processes that draw on one budget at once. Run as a script by ``test_ledger_crowd.py``.

Arguments: what the ledger is in (a folder or a URL), processes, tries of each, whether money comes back. Each one
is forked before it opens the ledger, and prints a JSON line: how often it was allowed and refused, and how many
refusals were wrong by what they say themselves.
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path
from typing import Any

from mintmark.clock import utc_now
from mintmark.errors import BudgetExceeded
from mintmark.metering.ledger import Account, Posting
from mintmark.metering.ledger_sql import SqlLedger
from mintmark.metering.postgres_ledger import PostgresLedger
from mintmark.metering.sqlite_ledger import SqliteLedger

PRICE = 10
ACCOUNT = Account(project="crowd", user="mia")


def opened(place: str) -> SqlLedger:
    return PostgresLedger(place) if place.startswith("postgresql:") else SqliteLedger(Path(place))


def settle(ledger: SqlLedger, job_id: str, chance: random.Random) -> int:
    """Spend some of it, or none, and give the rest back; what was spent."""
    spent = chance.choice((0, PRICE, PRICE // 2))
    if spent:
        facts = {"provider": "fal", "model": "fal/x", "request_id": None, "at": utc_now()}
        fact = Posting(call_id=job_id, job_id=job_id, kind="settled", microusd=spent, **facts)
        ledger.post([fact])
        ledger.post([fact])
    ledger.close_job(job_id)
    return spent


def work(place: str, number: int, tries: int, comes_back: bool) -> dict[str, Any]:
    ledger, chance = opened(place), random.Random(number)
    found = {"allowed": 0, "refused": 0, "wrong": 0, "spent": 0}
    for each in range(tries):
        job_id = f"{number}-{each}"
        try:
            ledger.allow(job_id, PRICE, ACCOUNT)
        except BudgetExceeded as refused:
            found["refused"] += 1
            found["wrong"] += int(refused.data["left_microusd"] >= PRICE)
            continue
        found["allowed"] += 1
        if comes_back:
            found["spent"] += settle(ledger, job_id, chance)
    ledger.close()
    return found


def main(place: str, processes: str, tries: str, comes_back: str) -> None:
    gate_read, gate_write = os.pipe()
    children = []
    for number in range(int(processes)):
        answer_read, answer_write = os.pipe()
        if (pid := os.fork()) == 0:
            os.close(gate_write)
            os.read(gate_read, 1)
            code = 1
            try:
                os.write(answer_write, json.dumps(work(place, number, int(tries), comes_back == "yes")).encode())
                code = 0
            finally:
                os._exit(code)
        os.close(answer_write)
        children.append((pid, answer_read))
    # All of them wait at the gate; closing it lets them go at once.
    os.close(gate_read)
    os.close(gate_write)
    for pid, answer in children:
        with os.fdopen(answer) as told:
            print(told.read(), flush=True)  # noqa: T201 - its answer
        assert os.waitpid(pid, 0)[1] == 0


if __name__ == "__main__":
    main(*sys.argv[1:])
