"""One of many processes that draw on one allowance and one budget at once. Run as a script by ``test_crowd.py``.

Arguments: data folder, job id, budget, how often it tries. Prints how many calls it held
and how many jobs it was allowed.
"""

from __future__ import annotations

import sys
import uuid
from pathlib import Path

from mintmark.errors import AllowanceExhausted, BudgetExceeded
from mintmark.generation.call import NewCall
from mintmark.generation.sqlite_journal import SqliteJournal
from mintmark.metering.ledger import Account
from mintmark.metering.sqlite_ledger import SqliteLedger

PRICE = 10


def hold(journal: SqliteJournal, job_id: str) -> bool:
    call_id = str(uuid.uuid4())
    facts = {"node_id": "1", "provider": "fal", "model": "fal/x", "request_digest": "0" * 64, "hold_microusd": PRICE}
    try:
        journal.hold(NewCall(call_id=call_id, job_id=job_id, key=call_id, **facts))
    except AllowanceExhausted:
        return False
    journal.begin(call_id)
    journal.move(call_id, "settled", microusd=PRICE, request_id=call_id, result={})
    return True


def allow(ledger: SqliteLedger) -> bool:
    try:
        ledger.allow(str(uuid.uuid4()), PRICE, Account())
    except BudgetExceeded:
        return False
    return True


def main(folder: str, job_id: str, budget: str, times: str) -> None:
    journal = SqliteJournal(Path(folder))
    ledger = SqliteLedger(Path(folder), budget_microusd=int(budget))
    print("ready", flush=True)  # noqa: T201 - its answer
    sys.stdin.readline()
    held = sum(hold(journal, job_id) for _ in range(int(times)))
    allowed = sum(allow(ledger) for _ in range(int(times)))
    print(held, allowed)  # noqa: T201 - its answer
    journal.close()
    ledger.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
