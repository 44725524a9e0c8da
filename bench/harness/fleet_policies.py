"""Ways of giving jobs to workers, the orchestrator's own among them."""

from __future__ import annotations

import heapq
import random
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from mintmark.bench.harness.fleet import LOAD_S, Order, Worker
from mintmark.orchestrator.placement.fleet import Fleet
from mintmark.orchestrator.placement.placing import place
from mintmark.orchestrator.placement.values import Seat, Work

LOOKED_AT = 16
"""Kinds of jobs, those with the oldest first, that are looked at each time, as the store gives them."""
HALF_LIFE_S = 600.0
"""What a model was asked for so long ago counts half."""


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
    """The worker with the fewest jobs."""

    def pick(self, order: Order) -> Worker:
        few = self.every if len(self.every) <= 512 else self.chance.sample(self.every, 512)
        return min(few, key=lambda worker: (len(worker.queue) + worker.busy, self.chance.random()))


class OneModel(Policy):
    """A current model for each worker; where another model's jobs have waited longest, a free one changes over."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.waiting: dict[str, deque[Order]] = {}
        self.free = dict.fromkeys(self.workers)

    def came(self, order: Order, now: float) -> None:
        self.waiting.setdefault(order.model, deque()).append(order)
        self._look(now)

    def freed(self, worker: Worker, now: float) -> None:
        self.free[worker.name] = None
        self._look(now)

    def _look(self, now: float) -> None:
        for name in list(self.free):
            worker = self.workers[name]
            current = next(reversed(worker.memory), None)
            if current is not None and self.waiting.get(current):
                self._go(worker, self.waiting[current].popleft())
        for name in list(self.free):
            longest = min(
                (queue for queue in self.waiting.values() if queue), key=lambda queue: queue[0].at, default=None
            )
            if longest is None:
                return
            self._go(self.workers[name], longest.popleft())

    def _go(self, worker: Worker, order: Order) -> None:
        del self.free[worker.name]
        self.start(worker, order)


class Mintmark(Policy):
    """The placement of the orchestrator itself, given what the store gives it: the oldest job of each kind."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.waiting: dict[str, deque[Order]] = {}
        self.fleet = Fleet(self._seat(worker) for worker in self.every)
        self.faded = 0.0

    def came(self, order: Order, now: float) -> None:
        self.waiting.setdefault(order.model, deque()).append(order)
        self.fleet.waits(frozenset({order.model}))
        self._want(order.model, now)
        if len(self.waiting[order.model]) == 1:
            self._look([order.model], now)

    def freed(self, worker: Worker, now: float) -> None:
        self.fleet.put(self._seat(worker))
        queued = [model for model, queue in self.waiting.items() if queue]
        oldest = heapq.nsmallest(LOOKED_AT, queued, key=lambda model: self.waiting[model][0].at)
        warm = [model for model in worker.memory if self.waiting.get(model)]
        self._look(sorted({*oldest, *warm}, key=lambda model: self.waiting[model][0].at), now)

    def _look(self, models: list[str], now: float) -> None:
        for model in models:
            order = self.waiting[model][0]
            passed = 0.0 if order.passed_at is None else now - order.passed_at
            files = frozenset({model})
            work = Work(
                job_id="", files=files, sizes={model: 1}, load_s=LOAD_S, waited_s=now - order.at, passed_over_s=passed
            )
            choice = place(work, self.fleet, now)
            if choice.worker is not None:
                self.waiting[model].popleft()
                self.fleet.waits(files, -1)
                self.start(self.workers[choice.worker], order)
                self.fleet.put(self._seat(self.workers[choice.worker]))
            elif choice.reason in ("waits_for_warm", "overtaken") and order.passed_at is None:
                order.passed_at = now

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


POLICIES: dict[str, type[Policy]] = {
    "random": Random,
    "round_robin": RoundRobin,
    "least_loaded": LeastLoaded,
    "one_model": OneModel,
    "mintmark": Mintmark,
}
