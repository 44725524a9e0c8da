"""Webhooks on each kind of database, with a clock that goes when it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mintmark.orchestrator.jobs.job import Job
from mintmark.orchestrator.jobs.states import State
from mintmark.orchestrator.webhooks.keeping import Webhooks
from mintmark.orchestrator.webhooks.outbox import outbox
from mintmark.orchestrator.webhooks.sender import Sender
from mintmark.orchestrator.webhooks.targets import Outbound
from mintmark.storage.base import Store
from mintmark.tests.orchestrator.databases import KINDS, Open, opened
from mintmark.tests.orchestrator.made_jobs import event, job, over
from mintmark.tests.orchestrator.ticking import Clock


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    with opened(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def clock() -> Clock:
    # Receivers compare the signature's time with their own.
    clock = Clock()
    clock.now = clock.start = clock.start.now(clock.start.tzinfo)
    return clock


@dataclass
class Post:
    """Jobs that end, and what is sent because of it."""

    store: Store
    place: Open
    clock: Clock
    jobs: dict[str, Job] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.webhooks = Webhooks(self.store, now=self.clock)

    def end(self, url: str | None, kind: str = "succeeded", state: State = State.SUCCEEDED, **facts: Any) -> Job:
        """A job ends, in a transaction as the job store's."""
        ended = over(job(self.clock(), webhook_url=url, **facts), state)
        self.jobs[ended.job_id] = ended
        self.store.transact(lambda db: outbox(db, ended, event(ended, kind, self.clock(), seq=7)))
        return ended

    @asynccontextmanager
    async def sending(self, *, another_process: bool = False, **options: Any) -> AsyncIterator[Sender]:
        """A sender at work; tests wake it, for its clock stands still."""
        store = self.place().store if another_process else self.store
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(Outbound(allow_private=True, **options.pop("client", {})))
            given = {"find": self.jobs.get, "describe": described, "now": self.clock, "chance": lambda: 0.5}
            yield await stack.enter_async_context(Sender(store, client, **{**given, **options}))


def described(job: Job) -> dict[str, Any]:
    return {"job_id": job.job_id, "status": job.state.value, "metadata": dict(job.ordered.metadata)}


@pytest.fixture
def post(place: Open, clock: Clock) -> Post:
    return Post(place().store, place, clock)
