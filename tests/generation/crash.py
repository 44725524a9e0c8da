"""One generation in a process that kills itself at the n-th moment. Run as a script by ``test_crash.py``.

Arguments: data folder, sandbox URL, model, job id, the moment (0: never), count. A moment is before or after a write of
the journal, the ledger or the spool.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mintmark.config import Settings
from mintmark.generation.context import JobContext
from mintmark.generation.engine import Engine
from mintmark.tests.generation.lab import request

WRITES = {
    "journal": ("hold", "begin", "move", "store", "note", "drop"),
    "ledger": ("allow", "post_page"),
    "spool": ("put",),
}


class Killer:
    def __init__(self, at: int) -> None:
        self.at, self.seen = at, 0

    def moment(self) -> None:
        self.seen += 1
        if self.seen == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def write(*values: Any, **named: Any) -> Any:
            self.moment()
            result = method(*values, **named)
            self.moment()
            return result

        return write


async def main(folder: str, url: str, model: str, job_id: str, at: str, count: str) -> None:
    killer = Killer(int(at))
    settings = Settings(data_dir=Path(folder), sandbox=True, sandbox_url=url)
    async with Engine(settings, sandbox_url=url) as engine:
        for part, names in WRITES.items():
            for name in names:
                whole = getattr(engine, part)
                setattr(whole, name, killer.around(getattr(whole, name)))
        job = JobContext(job_id=job_id, allowance_microusd=0, mode="sandbox", local=True)
        engine.journal.open_job(job)
        await engine.service.generate(request(model, count=int(count), seed=1), job, "1")
        engine.books.catch_up()
    print(killer.seen)  # noqa: T201 - its answer


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
