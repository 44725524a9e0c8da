"""News within this process. It only makes things faster: whoever waits for news also looks, slowly, by itself."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from typing_extensions import Self

from ..jobs.job import Job
from ..link.waiting import Signal

FULL = 256
"""Facts that wait for a listener at most; the oldest go first. What is durable is in the store all the same."""


@dataclass(frozen=True)
class JobChanged:
    """Something durable happened to the job: the store has an event of this number."""

    job_id: str
    seq: int | None = None
    """None where whoever says so does not know it; the store does."""
    job: Job | None = field(default=None, repr=False, compare=False)
    """The job as the store has it since then, where whoever says so knows it: nobody need read it there."""


@dataclass(frozen=True)
class JobEnding:
    """The job is over as soon as the disk has that; nobody must be told before. For whoever has something to get ready:
    what comes of it is told as :class:`JobChanged`, with this very job where it came to be."""

    job_id: str
    job: Job = field(repr=False, compare=False)


@dataclass(frozen=True)
class Progressed:
    """The job is so far, and will take so much longer, in seconds. None: too few runs are known to say."""

    job_id: str
    fraction: float
    eta_s: float | None = None
    node: str | None = None


@dataclass(frozen=True)
class PreviewShown:
    """How a node's picture looks so far. Never a result: it is unchecked and unsigned."""

    job_id: str
    node: str
    media_type: str
    data: bytes = field(repr=False)


Fact = JobChanged | JobEnding | Progressed | PreviewShown


class News:
    """Of one event loop. Nothing here waits for a listener: a slow one misses what is oldest."""

    def __init__(self) -> None:
        self._listeners: dict[str | None, set[Listener]] = {}
        self._bells: set[Bell] = set()

    def publish(self, job_id: str, fact: Fact) -> None:
        """Tell everybody who listens to this job, or to all of them."""
        for name in (job_id, None):
            for listener in self._listeners.get(name, ()):
                listener.put(fact)

    def listen(self, job_id: str | None, *kinds: type[Fact]) -> Listener:
        """An ear on one job, or (None) on all: ``async with news.listen(id) as facts: async for fact in facts``.

        Listen before you look at the store, or what happens in between is missed. ``kinds``: facts of these alone.
        """
        return Listener(self, job_id, kinds)

    def wake(self) -> None:
        """A job may be claimable."""
        for bell in self._bells:
            bell.ring()

    def bell(self) -> Bell:
        """Rings at each :meth:`wake`; one for each who waits. It rings until it is let go."""
        return Bell(self._bells)

    def add(self, job_id: str | None, listener: Listener) -> None:
        self._listeners.setdefault(job_id, set()).add(listener)

    def remove(self, job_id: str | None, listener: Listener) -> None:
        there = self._listeners.get(job_id, set())
        there.discard(listener)
        if not there:
            self._listeners.pop(job_id, None)


class Listener:
    """One ear; see :meth:`News.listen`."""

    def __init__(self, news: News, job_id: str | None, kinds: tuple[type[Fact], ...] = ()) -> None:
        self._news = news
        self._job_id = job_id
        self._kinds = kinds
        self._facts: deque[Fact] = deque(maxlen=FULL)
        self._come = Signal()

    async def __aenter__(self) -> Self:
        self._news.add(self._job_id, self)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._news.remove(self._job_id, self)

    def put(self, fact: Fact) -> None:
        if self._kinds and not isinstance(fact, self._kinds):
            return
        self._facts.append(fact)
        self._come.set()

    async def next(self, timeout_s: float | None = None) -> Fact | None:
        """The next fact; None where none came for that long."""
        while not self._facts:
            self._come.clear()
            if not await self._come.wait(timeout_s):
                return None
        return self._facts.popleft()

    async def __aiter__(self) -> AsyncIterator[Fact]:
        while True:
            fact = await self.next()
            if fact is not None:
                yield fact


class Bell:
    """Wakes one who waits for work."""

    def __init__(self, bells: set[Bell]) -> None:
        self._bells = bells
        self._rung = Signal()
        bells.add(self)

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, timeout_s: float) -> bool:
        """Wait until it rings; False where it did not for that long. What rang before counts, once."""
        rung = await self._rung.wait(timeout_s)
        self._rung.clear()
        return rung

    def heard(self) -> bool:
        """Whether it rang since this was asked last."""
        rung = self._rung.is_set
        self._rung.clear()
        return rung

    def close(self) -> None:
        self._bells.discard(self)
