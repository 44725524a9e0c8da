"""Makes orders until all are done, many at once. Run as a script by ``test_mixed_runs.py``, which kills it often.

Arguments: data folder, sandbox URL, how many orders. An order has the same job id in every life; what is done is
appended to ``done.jsonl`` with its receipts.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from pathlib import Path

from mintmark.errors import MintmarkError
from mintmark.generation.books import postings
from mintmark.generation.context import JobContext
from mintmark.metering.ledger import Account
from mintmark.tests.generation.lab import MINI, ONE_BY_ONE, PATIENT, SCHNELL, Lab, open_lab

MODELS = (SCHNELL, MINI, ONE_BY_ONE)
AT_ONCE = 8


def job_of(number: int) -> JobContext:
    """Every second order is granted, as an orchestrator does it; the others are made by hand."""
    local = number % 2 == 0
    job_id = str(uuid.UUID(int=number + 1))
    project = f"project-{number % 5}"
    return JobContext(
        job_id=job_id, allowance_microusd=0 if local else PATIENT, mode="sandbox", local=local, project=project
    )


async def order(lab: Lab, number: int) -> dict[str, object]:
    """One order to its end, whatever that is."""
    job, engine = job_of(number), lab.engine
    if not job.local:
        engine.ledger.allow(job.job_id, job.allowance_microusd, Account(project=job.project))
    engine.journal.open_job(job)
    receipts, error = [], None
    try:
        made = await lab.generate(job, MODELS[number % 3], count=1 + number % 2, seed=number, prompt=f"teapot {number}")
        receipts = [receipt.model_dump(mode="json") for receipt in made.record.receipts]
    except MintmarkError as exc:
        error = exc.code
    if not job.local:
        engine.journal.close_job(job.job_id)
        engine.ledger.post(postings(engine.journal.since(0, job_id=job.job_id, limit=10_000)))
        engine.ledger.close_job(job.job_id)
    return {"number": number, "job_id": job.job_id, "receipts": receipts, "error": error}


async def main(folder: str, url: str, count: str) -> None:
    done = Path(folder) / "done.jsonl"
    known = {json.loads(line)["number"] for line in done.read_text().splitlines()} if done.exists() else set()
    left = iter([number for number in range(int(count)) if number not in known])
    print("ready", flush=True)  # noqa: T201 - its answer
    async with open_lab(Path(folder), url) as lab:

        async def work() -> None:
            for number in left:
                facts = await order(lab, number)
                with done.open("a") as file:
                    file.write(json.dumps(facts) + "\n")

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
