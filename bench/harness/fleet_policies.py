"""Ways of giving jobs to workers, the orchestrator's own among them."""

from __future__ import annotations

import heapq
import math
import random
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any

from mintmark.bench.harness.fleet import LOAD_S, RUN_S, Order, Worker
from mintmark.orchestrator.dispatch.ahead import HALF_LIFE_S
from mintmark.orchestrator.dispatch.worker_loop import CLAIM_EVERY_S
from mintmark.orchestrator.placement.fleet import Fleet
from mintmark.orchestrator.placement.placing import place
from mintmark.orchestrator.placement.values import Seat, Work

LOOKED_AT = 16
"""Kinds of jobs, those with the oldest first, that are looked at when a worker is free."""


class Policy(ABC):
    """One way of giving jobs to workers. ``start`` runs a job on a worker from now on."""

    def __init__(self, workers: dict[str, Worker], start: Callable[[Worker, Order], None], seed: int) -> None:
        self.workers, self.start, self.chance = workers, start, random.Random(seed)
        self.every = list(workers.values())

    @abstractmethod
    def came(self, order: Order, now: float) -> None:
        """A job is there."""

    @abstractmethod
    def freed(self, worker: Worker, now: float) -> None:
        """A worker has no job any more."""

    look_at = math.inf
    """When it looks again, though nothing happens until then."""

    def look(self, now: float) -> None:
        """That time has come."""
        self.look_at = math.inf


class AtOnce(Policy):
    """Sends each job to a worker as it comes; each worker has a queue of its own."""

    def came(self, order: Order, now: float) -> None:
        worker = self.pick(order)
        if worker.busy:
            worker.queue.append(order)
        else:
            self.start(worker, order)

    def freed(self, worker: Worker, now: float) -> None:
        if worker.queue:
            self.start(worker, worker.queue.popleft())

    @abstractmethod
    def pick(self, order: Order) -> Worker:
        """Where a job goes."""


class Random(AtOnce):
    """Any worker."""

    def pick(self, order: Order) -> Worker:
        return self.chance.choice(self.every)


class RoundRobin(AtOnce):
    """One after the other."""

    at = -1

    def pick(self, order: Order) -> Worker:
        self.at = (self.at + 1) % len(self.every)
        return self.every[self.at]


class LeastLoaded(AtOnce):
    """The worker with the fewest jobs; of several, any."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.having = [Bag(self.workers)]
        """Workers by how many jobs they have."""

    def pick(self, order: Order) -> Worker:
        jobs, bag = next((jobs, bag) for jobs, bag in enumerate(self.having) if bag)
        name = bag.any(self.chance)
        self._move(name, jobs, jobs + 1)
        return self.workers[name]

    def freed(self, worker: Worker, now: float) -> None:
        jobs = len(worker.queue) + 1
        self._move(worker.name, jobs, jobs - 1)
        super().freed(worker, now)

    def _move(self, name: str, before: int, after: int) -> None:
        if after == len(self.having):
            self.having.append(Bag())
        self.having[before].remove(name)
        self.having[after].add(name)


class Bag:
    """Names of which any can be drawn, however many they are."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = list(names)
        self._at = {name: at for at, name in enumerate(self._names)}

    def __len__(self) -> int:
        return len(self._names)

    def any(self, chance: random.Random) -> str:
        """One of them."""
        return self._names[chance.randrange(len(self._names))]

    def add(self, name: str) -> None:
        """One more."""
        self._at[name] = len(self._names)
        self._names.append(name)

    def remove(self, name: str) -> None:
        """One less."""
        at, last = self._at.pop(name), self._names.pop()
        if last != name:
            self._names[at], self._at[last] = last, at


class OneModel(Policy):
    """A current model for each worker; where another model's jobs have waited longest, a free one changes over.

    While a worker is free nothing waits: a job that comes looks at the free ones, a worker that is freed at the jobs.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.waiting: dict[str, deque[Order]] = {}
        self.line: deque[Order] = deque()
        """All that wait, and some that do not any more, the oldest first."""
        self.free = dict.fromkeys(self.workers)
        """The longest free first."""
        self.free_with: dict[str, dict[str, None]] = {}
        """By their current model."""

    def came(self, order: Order, now: float) -> None:
        name = next(iter(self.free_with.get(order.model) or self.free), None)
        if name is None:
            self.waiting.setdefault(order.model, deque()).append(order)
            self.line.append(order)
            return
        worker = self.workers[name]
        del self.free[name]
        if worker.memory:
            del self.free_with[next(reversed(worker.memory))][name]
        self.start(worker, order)

    def freed(self, worker: Worker, now: float) -> None:
        current = next(reversed(worker.memory))
        if self.waiting.get(current):
            self.start(worker, self.waiting[current].popleft())
        elif (oldest := self._oldest()) is not None:
            self.start(worker, self.waiting[oldest.model].popleft())
        else:
            self.free[worker.name] = None
            self.free_with.setdefault(current, {})[worker.name] = None

    def _oldest(self) -> Order | None:
        while self.line:
            order = self.line.popleft()
            queue = self.waiting[order.model]
            if queue and queue[0] is order:
                return order
        return None


class Mintmark(Policy):
    """The placement of the orchestrator itself, given what the store gives it: the oldest job of each kind."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.waiting: dict[str, deque[Order]] = {}
        self.fleet = Fleet(self._seat(worker) for worker in self.every)
        self.faded = 0.0

    def came(self, order: Order, now: float) -> None:
        self.waiting.setdefault(order.model, deque()).append(order)
        self.fleet.waits(_work(order.model))
        self._want(order.model, now)
        if len(self.waiting[order.model]) == 1:
            self._place([order.model], now)

    def freed(self, worker: Worker, now: float) -> None:
        self.fleet.put(self._seat(worker))
        queued = [model for model, queue in self.waiting.items() if queue]
        oldest = heapq.nsmallest(LOOKED_AT, queued, key=self._since)
        warm = [model for model in worker.memory if self.waiting.get(model)]
        self._place(sorted({*oldest, *warm}, key=self._since), now)

    def look(self, now: float) -> None:
        self._place(sorted((model for model, queue in self.waiting.items() if queue), key=self._since), now)

    def _since(self, model: str) -> float:
        return self.waiting[model][0].at

    def _place(self, models: list[str], now: float) -> None:
        for model in models:
            while self.waiting[model] and self._first(model, now):
                pass
        # As the workers' loops do: nobody says so when a wait has become too long.
        may_change = any(self.waiting.values()) and next(self.fleet.free(), None) is not None
        self.look_at = now + CLAIM_EVERY_S if may_change else math.inf

    def _first(self, model: str, now: float) -> bool:
        """Place the oldest of this model; whether it runs now."""
        order = self.waiting[model][0]
        passed = 0.0 if order.passed_at is None else now - order.passed_at
        work = _work(model, passed)
        choice = place(work, self.fleet, now)
        if choice.worker is None:
            if choice.reason in ("waits_for_warm", "overtaken") and order.passed_at is None:
                order.passed_at = now
            return False
        self.waiting[model].popleft()
        self.fleet.waits(work, -1)
        self.start(self.workers[choice.worker], order)
        self.fleet.put(self._seat(self.workers[choice.worker]))
        return True

    def _want(self, file: str, now: float) -> None:
        if now - self.faded > HALF_LIFE_S:
            self.faded = now
            self.fleet.wanted = Counter({name: count / 2 for name, count in self.fleet.wanted.items()})
        self.fleet.wanted[file] += 1

    def _seat(self, worker: Worker) -> Seat:
        memory = dict.fromkeys(worker.memory, 1)
        room, running = (0, 1) if worker.busy else (1, 0)
        return Seat(
            name=worker.name,
            memory=memory,
            memory_size=worker.slots,
            room=room,
            running=running,
            free_at=worker.free_at,
        )


def _work(model: str, passed_over_s: float = 0.0) -> Work:
    return Work(
        job_id="",
        files=frozenset({model}),
        sizes={model: 1},
        load_s=LOAD_S,
        run_s=RUN_S,
        passed_over_s=passed_over_s,
    )


POLICIES: dict[str, type[Policy]] = {
    "random": Random,
    "round_robin": RoundRobin,
    "least_loaded": LeastLoaded,
    "one_model": OneModel,
    "mintmark": Mintmark,
}
