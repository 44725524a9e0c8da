"""A fleet for simulations: its shape, the jobs that come, its workers. Times are seconds of simulated time."""

from __future__ import annotations

import random
from collections import OrderedDict, deque
from dataclasses import dataclass, field

RUN_S, LOAD_S = 6.0, 25.0
"""What a job runs on average, and what loading its model takes, in seconds."""
ZIPF = 1.0
"""The second most wanted model is asked for half as often as the first, the third a third as often, and so on."""


@dataclass(frozen=True)
class Shape:
    """A fleet and its load."""

    workers: int
    slots: int
    models: int
    jobs: int
    load: float
    """Share of the fleet's time that running takes, without any loading."""
    bursty: bool = False
    batch: float = 1.0
    """How many jobs of one model are ordered at once, on average."""


@dataclass
class Order:
    """One job of a trace."""

    at: float
    model: str
    run_s: float
    started: float = 0.0
    passed_at: float | None = None


@dataclass
class Worker:
    """One worker: what it holds, what waits for it."""

    name: str
    slots: int
    memory: OrderedDict[str, None] = field(default_factory=OrderedDict)
    queue: deque[Order] = field(default_factory=deque)
    busy: bool = False
    free_at: float = 0.0

    def loads(self, model: str) -> bool:
        """Use this model; whether it had to be loaded."""
        loaded = model not in self.memory
        self.memory[model] = None
        self.memory.move_to_end(model)
        while len(self.memory) > self.slots:
            self.memory.popitem(last=False)
        return loaded


def trace(shape: Shape, seed: int = 7) -> list[Order]:
    """Jobs as they come."""
    chance = random.Random(seed)
    weights = [1 / (rank + 1) ** ZIPF for rank in range(shape.models)]
    names = [f"model-{rank}.safetensors" for rank in range(shape.models)]
    gap = RUN_S * shape.batch / (shape.workers * shape.load)
    orders: list[Order] = []
    now, burst_until, hot = 0.0, 0.0, 0
    while len(orders) < shape.jobs:
        now += chance.expovariate(1 / gap)
        if shape.bursty and now > burst_until + 600:
            burst_until, hot = now + 60, chance.randrange(shape.models)
        favoured = list(weights)
        if now < burst_until:
            favoured[hot] *= 10
        model = chance.choices(names, favoured)[0]
        runs = (max(0.5, chance.expovariate(1 / RUN_S)) for _ in range(_batch(shape, chance)))
        orders += [Order(now, model, run_s) for run_s in runs]
    return orders


def _batch(shape: Shape, chance: random.Random) -> int:
    """How many are ordered now: one, and as many more as come."""
    return 1 if shape.batch <= 1 else 1 + round(chance.expovariate(1 / (shape.batch - 1)))
