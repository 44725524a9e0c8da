"""One generation in a process that kills itself at the n-th moment, for ``test_crash.py``.

A moment is before or after a write of the journal, the ledger or the spool. The processes are forked from one that has
imported all this and done nothing: a start of Python for each would take longer than what is tested.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable
from multiprocessing.connection import wait
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


async def main(folder: str, url: str, model: str, job_id: str, at: int, count: int, delivery: Any) -> int:
    killer = Killer(at)
    settings = Settings(data_dir=Path(folder), sandbox=True, sandbox_url=url)
    async with Engine(settings, sandbox_url=url) as engine:
        for part, names in WRITES.items():
            for name in names:
                whole = getattr(engine, part)
                setattr(whole, name, killer.around(getattr(whole, name)))
        job = JobContext(job_id=job_id, allowance_microusd=0, mode="sandbox", local=True, delivery=delivery)
        engine.journal.open_job(job)
        await engine.service.generate(request(model, count=count, seed=1), job, "1")
        engine.books.catch_up()
    return killer.seen


def _run(told: Path, given: tuple[Any, ...]) -> None:
    warnings.simplefilter("error")
    told.write_text(str(asyncio.run(main(*given))))


async def generate(
    folder: Path, url: str, model: str, job_id: str, at: int, count: int, delivery: str = "now"
) -> tuple[int, int]:
    """(exit status, moments seen) of a process that makes one generation and dies at this moment; 0: never."""
    folder.mkdir(parents=True, exist_ok=True)
    told = folder / "moments"
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload([__name__, "aiohttp", "PIL.Image", "sqlite3"])
    process = forks.Process(target=_run, args=(told, (str(folder), url, model, job_id, at, count, delivery)))
    process.start()
    # Only waited for in a thread. Its status is read in this one, as by each start of another process, which looks who
    # has ended: of two who read it at the same time, one would find nothing and tell 255.
    await asyncio.to_thread(wait, [process.sentinel])
    process.join()
    status = process.exitcode
    assert status in (0, -signal.SIGKILL), status
    return status, int(told.read_text()) if told.exists() else 0
