"""Replicate's predictions: starting, processing, then succeeded, failed, canceled or aborted.

``starting`` takes a third of the sandbox's latency, ``processing`` the rest. A run is billed when it has succeeded; one
that is billed by time also when it failed or was canceled while it ran (the vendor's billing page), and one that is
billed by output also when it was canceled then (the changelog on deadlines). What was asked is kept in the books, so a
killed sandbox that comes back knows every prediction.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal

from .entries import Entries
from .exchange import Desk
from .replicate_models import Served, named
from .replicate_work import Failed, Fetch, Work, blocked, read

PROVIDER = "replicate"
KEPT_S = 3600.0
"""Input, output and logs are removed after an hour."""
State = Literal["starting", "processing", "succeeded", "failed", "canceled", "aborted"]
_WAITING = ("starting", "processing")


@dataclass
class Run:
    """One prediction. ``version`` is how it was named; ``fault`` a policy fault that its submission met."""

    name: str
    version: str
    given: dict[str, Any]
    origin: str
    created_at: float
    """Seconds since the epoch, as the other times are."""
    deadline_s: float | None = None
    fault: str | None = None
    state: State = "starting"
    started_at: float | None = None
    completed_at: float | None = None
    seconds: float | None = None
    error: str | None = None
    work: Work | None = None
    task: asyncio.Task[None] | None = None

    @property
    def model(self) -> Served:
        """Which one it is; only known ones are ever entered."""
        found = named(self.version)
        if found is None:
            raise KeyError(self.version)
        return found

    @property
    def waiting(self) -> bool:
        """Whether it has not ended."""
        return self.state in _WAITING


class Runs(Entries[Run]):
    """All predictions, by id."""

    def __init__(self, desk: Desk, fetch: Fetch, clock: Callable[[], float] = time.time) -> None:
        super().__init__(desk, PROVIDER, "replicate_made")
        self._fetch, self.clock = fetch, clock

    def enter(self, run: Run) -> Run:
        """Enter a prediction and start it."""
        kept = ("name", "version", "given", "origin", "created_at", "deadline_s", "fault")
        self._keep({name: getattr(run, name) for name in kept})
        self._begin(run.name, run, self._bounded(run))
        return run

    def cancel(self, run: Run) -> None:
        """Stop a prediction; nothing happens to one that has ended."""
        if run.waiting:
            self._end_early(run, "canceled")

    def removed(self, run: Run) -> bool:
        """Whether its data is gone."""
        return run.completed_at is not None and self.clock() - run.completed_at >= KEPT_S

    def take_up(self) -> None:
        """Restore what the books kept from before a restart."""
        billed, ended = self._billed(), dict(self._kept("replicate_ended"))
        for value in self._kept():
            run = Run(**value)
            if run.name in ended or run.name in billed:
                run.state = ended.get(run.name, "succeeded")
                run.started_at = run.completed_at = run.created_at
                self._read(run)
                self.all[run.name] = run
            else:
                self._begin(run.name, run, self._bounded(run))

    async def _bounded(self, run: Run) -> None:
        try:
            await asyncio.wait_for(self._work(run), run.deadline_s)
        except asyncio.TimeoutError:
            self._end_early(run, "canceled" if run.state == "processing" else "aborted")

    async def _work(self, run: Run) -> None:
        await asyncio.sleep(self._desk.latency_s / 3)
        run.state, run.started_at = "processing", self.clock()
        await asyncio.sleep(self._desk.latency_s * 2 / 3)
        await asyncio.to_thread(self._read, run)
        # No await from here on: a prediction is billed and done, or canceled, never both.
        run.seconds = run.model.seconds or max(self._desk.latency_s, 0.001)
        if run.error is None or run.model.seconds is not None:
            self._charge(run)
        run.state, run.completed_at = "failed" if run.error else "succeeded", self.clock()
        if run.error:
            self._desk.books.keep("replicate_ended", [run.name, run.state])

    def _read(self, run: Run) -> None:
        try:
            if run.fault is not None:
                raise blocked(run.model)
            run.work = read(run.model, run.given, self._fetch, seed=self._desk.seed)
        except Failed as failed:
            run.error = str(failed)

    def _end_early(self, run: Run, state: State) -> None:
        if run.task is not None and run.task is not asyncio.current_task():
            run.task.cancel()
        ran = run.state == "processing"
        run.state, run.completed_at = state, self.clock()
        self._desk.books.keep("replicate_ended", [run.name, state])
        if ran:
            # Half of what it would have taken: the same amount every time.
            run.seconds = (run.model.seconds or self._desk.latency_s) / 2
            self._read(run)
            run.error = None
            self._charge(run)

    def _charge(self, run: Run) -> None:
        model, work = run.model, run.work
        seconds = run.seconds or 0.0
        if work is not None:
            amount = work.microusd(seconds)
        else:
            amount = round(model.microusd * seconds) if model.seconds is not None else 0
        self._desk.books.charge(
            provider=PROVIDER,
            model=model.name,
            request_id=run.name,
            client_request_id=None,
            microusd=amount,
            images=work.images if work is not None else 0,
            usage={"predict_time": seconds},
        )


def stamp(at: float | None) -> str | None:
    """A time as the API writes it."""
    return None if at is None else datetime.fromtimestamp(at, timezone.utc).isoformat().replace("+00:00", "Z")
