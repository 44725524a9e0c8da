"""What the router's runners were asked for: kept by id, so that it can be asked about again and its file fetched.

fal's queue, Replicate and WaveSpeed go on after they have answered; for them a run takes the sandbox's latency.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from .entries import Entries
from .exchange import Desk
from .huggingface_asked import Asked, Refused, blocked, read
from .huggingface_models import REPOS

PROVIDER = "huggingface"


@dataclass
class Run:
    """One request. ``fault`` is a policy fault that it met."""

    request_id: str
    repo: str
    route: str
    body: Any
    origin: str
    fault: str | None = None
    done: bool = False
    asked: Asked | None = None
    refused: Refused | None = None
    task: asyncio.Task[None] | None = None

    @property
    def harmful(self) -> bool:
        """Whether the runner's checker has blackened the result, which is paid for."""
        return self.fault == "policy_output" and self.route in ("fal-ai", "wavespeed")


class Runs(Entries[Run]):
    """All runs, by id."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, PROVIDER, "huggingface_run")

    def begin(self, run: Run) -> Run:
        """Enter a run and start it."""
        self._keep({name: getattr(run, name) for name in ("request_id", "repo", "route", "body", "origin", "fault")})
        self._begin(run.request_id, run, self._work(run))
        return run

    async def finished(self, run: Run) -> Run:
        """The run once it is over."""
        if run.task is not None:
            await asyncio.wait([run.task])
        return run

    def take_up(self) -> None:
        """Restore what the books kept from before a restart; what was billed is read anew and not billed again."""
        for value in self._kept():
            run = Run(**value)
            self._begin(run.request_id, run, self._work(run, billed=run.request_id in self._billed()))

    async def _work(self, run: Run, *, billed: bool = False) -> None:
        try:
            if run.fault == "policy_input" or (run.fault == "policy_output" and not run.harmful):
                raise blocked(run.route)
            run.asked = await asyncio.to_thread(read, REPOS[run.repo], run.route, run.body, seed=self._desk.seed)
            await asyncio.sleep(0 if billed else self._desk.latency_s)
        except Refused as refused:
            run.refused = refused
        # No await from here on: a run is billed and done, or neither.
        if run.asked is not None and run.refused is None and not billed:
            self._charge(run, run.asked)
        run.done = True

    def _charge(self, run: Run, asked: Asked) -> None:
        self._desk.books.charge(
            provider=PROVIDER,
            model=f"{run.route}/{run.repo}",
            request_id=run.request_id,
            client_request_id=None,
            microusd=asked.microusd,
            images=1,
            usage={"width": asked.size[0], "height": asked.size[1]},
        )
