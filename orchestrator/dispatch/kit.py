"""What running jobs needs, put together by the service."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from ...config import Settings
from ...generation.journal import Journal
from ...metering.ledger_sql import SqlLedger
from ...storage.assets.base import AssetStore
from ...workflows.format import WorkflowVersion
from ..execution.delivery import Delivery
from ..jobs.base import JobStore
from .loads import Loads
from .news import News
from .worker import Worker

T = TypeVar("T")

HISTORY_S = 30.0
"""How long the known durations of a workflow's runs count as new, in seconds."""
USUAL_S = 10.0
"""How long a workflow is thought to run of which no run is known, in seconds."""
THREADS = 24
"""Threads for the store: as many transactions that come at once share one commit."""


class History:
    """How long jobs took, remembered for a while: an estimate need not be of this second."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, list[float]]] = {}

    def known(self, workflow: str) -> list[float] | None:
        """The latest runs of this workflow, in seconds; None where that was not asked of late."""
        asked_at, seconds = self._known.get(workflow, (float("-inf"), []))
        return seconds if time.monotonic() - asked_at <= HISTORY_S else None

    def usual_s(self, workflow: str) -> float:
        """How long it runs, by what was known last."""
        seconds = self._known.get(workflow, (0.0, []))[1]
        return statistics.median(seconds) if seconds else USUAL_S

    def ask(self, workflow: str, jobs: JobStore) -> list[float]:
        """The same, of the store. Blocks."""
        seconds = jobs.seconds(workflow)
        self._known[workflow] = time.monotonic(), seconds
        return seconds


@dataclass(frozen=True, kw_only=True)
class Kit:
    """``workflow`` gives a version by its digest; ``journal`` is this data folder's, shared with the own runners,
    and ``journal_id`` tells the folder from others.

    ``catch_up`` books what that journal has and no job's end has booked; ``forget`` deletes files that no job has any
    more; ``sweep`` forgets content that was kept for long enough, and says of which jobs. These block.
    ``forget_elsewhere`` has workers forget what the store has forgotten.
    """

    settings: Settings
    jobs: JobStore
    ledger: SqlLedger
    journal: Journal
    journal_id: str
    assets: AssetStore
    delivery: Delivery
    workflow: Callable[[str], Awaitable[WorkflowVersion]]
    news: News
    catch_up: Callable[[], None] = lambda: None
    forget: Callable[[Iterable[str]], None] = lambda digests: None
    sweep: Callable[[], list[str]] = list
    bar: Callable[[], Callable[[Iterable[Any]], None] | None] = lambda: None
    """What files are to be shown to before they are delivered, which raises OutputBlocked; None: nothing, just now."""
    forget_elsewhere: Callable[[], Awaitable[object]] = lambda: asyncio.sleep(0)
    met: Callable[[str, str], None] = lambda worker, reason: None
    """Told when a worker is put into quarantine, and why."""
    threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(THREADS, thread_name_prefix="mintmark-store")
    )

    workers: list[Worker] = field(default_factory=list)
    """All that there are: whoever finds one too small looks for a larger one."""
    history: History = field(default_factory=lambda: History())
    loads: Loads = field(default_factory=Loads)

    @property
    def goes_on(self) -> bool:
        """Whether a job whose calls are in this journal can go on in it: an own runner is there, and no other service
        on this database has own runners, which would write into another journal."""
        alone = self.settings.ledger_url is None or self.settings.sandbox
        return bool(alone) and any(each.shared for each in self.workers)

    def began(self, name: str) -> None:
        """A job began on the worker of this name."""
        for each in self.workers:
            if each.trial is not None:
                each.trial.began(here=each.name == name)

    def prompt_ended(self, name: str, well: bool) -> None:
        """A prompt ended on the worker of this name."""
        for each in self.workers:
            if each.trial is not None:
                each.trial.ended(here=each.name == name, well=well)

    def run_s(self, workflow: str) -> float:
        """How long a job of this workflow runs without loading: by the last that did, else as long as it usually takes
        in all."""
        known = self.loads.run_s(workflow)
        return self.history.usual_s(workflow) if known is None else known

    async def seconds(self, workflow: str) -> list[float]:
        """How long the latest runs of this workflow took."""
        known = self.history.known(workflow)
        return await self.block(self.history.ask, workflow, self.jobs) if known is None else known

    async def block(self, call: Callable[..., T], *args: Any, **named: Any) -> T:
        """A blocking call, in a thread."""
        return await self.start(call, *args, **named)

    def start(self, call: Callable[..., T], *args: Any, **named: Any) -> asyncio.Future[T]:
        """The same, begun now; for whoever may not stay to see it end."""
        return asyncio.get_running_loop().run_in_executor(self.threads, partial(call, *args, **named))
