"""Placement at the size of a fleet: `python bench/fleet_sim.py [--json PATH]`.

Discrete events over the very code that places jobs, beside what others do. Each worker runs one job at a time and holds
as many models as it has slots, the least recently used going first. A job runs 6 s on average (exponential, half a
second at least) and loads its model first where it is not there: 25 s. Models are asked for by Zipf's law; the bursty
trace has minutes in which one model is asked for ten times as often, and in that of batches four jobs of one model come
at once, on average, which all have waited for too long at the same time. Load is the share of the fleet's time that
running alone takes.

``random`` and ``round_robin`` send each job away as it comes, ``least_loaded`` to the worker with the fewest jobs: each
worker has a queue of its own. ``one_model`` is SwarmUI's way as its documentation tells it: a job waits for a worker
whose current model is the job's; where jobs of another model have waited longest, a free worker changes over to it.

All fleets begin with nothing in memory. A job waits at most while it may be overtaken, until a worker is free then,
and for its own load; that bound holds where a fleet keeps up with its jobs.
"""

from __future__ import annotations

import heapq
import itertools
import math
import statistics
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mintmark.bench.harness.charts import bars
from mintmark.bench.harness.fleet import LOAD_S, Order, Shape, Worker, trace
from mintmark.bench.harness.fleet_policies import POLICIES
from mintmark.bench.harness.report import Report, Row, main
from mintmark.orchestrator.placement.placing import OVERTAKEN_LOADS

IMAGES = Path(__file__).parents[1] / "docs" / "images"
CALM, BUSY = 0.2, 0.6
"""At the first load every way keeps up; at the second only those that avoid loads do."""
SHAPES: dict[str, Shape] = {
    "8 workers, calm": Shape(8, 2, 20, 6_000, CALM),
    "8 workers, busy": Shape(8, 2, 20, 6_000, BUSY),
    "8 workers, bursty": Shape(8, 2, 20, 6_000, BUSY, bursty=True),
    "8 workers, batches": Shape(8, 2, 20, 6_000, CALM, batch=4),
    "200 workers, busy": Shape(200, 2, 60, 40_000, BUSY),
    "10,000 workers, busy": Shape(10_000, 2, 400, 100_000, BUSY),
}
GOALS = frozenset({"8 workers, calm", "8 workers, batches"})


@dataclass(frozen=True)
class Outcome:
    """Loads; waits from order to the first step of the job's own work, in seconds; the share of time that was work;
    how long the longest job ran."""

    loads: int
    p50_s: float
    p95_s: float
    p99_s: float
    longest_s: float
    useful: float
    longest_run_s: float


def measure(report: Report) -> None:
    for label, shape in SHAPES.items():
        found = {name: simulate(shape, name) for name in POLICIES}
        others = found["least_loaded"]
        for name, outcome in found.items():
            report.add(_row(label, name, outcome, others))
        report.add(*_promised(label, found["mintmark"], others))
        draw(label, found)


def simulate(shape: Shape, name: str, seed: int = 7) -> Outcome:
    """One way on one trace."""
    orders = [replace(order) for order in trace(shape, seed)]
    workers = {f"w{number}": Worker(f"w{number}", shape.slots) for number in range(shape.workers)}
    ends: list[tuple[float, int, Worker]] = []
    ticket = itertools.count()
    now, loads = 0.0, 0

    def start(worker: Worker, order: Order) -> None:
        nonlocal loads
        loaded = worker.loads(order.model)
        loads += loaded
        order.started = now + (LOAD_S if loaded else 0.0)
        worker.busy, worker.free_at = True, order.started + order.run_s
        heapq.heappush(ends, (worker.free_at, next(ticket), worker))

    policy = POLICIES[name](workers, start, seed)
    coming = deque(orders)
    while coming or ends or policy.look_at < math.inf:
        comes, frees = coming[0].at if coming else math.inf, ends[0][0] if ends else math.inf
        now = min(comes, frees, policy.look_at)
        if now == frees:
            worker = heapq.heappop(ends)[-1]
            worker.busy = False
            policy.freed(worker, now)
        elif now == comes:
            policy.came(coming.popleft(), now)
        else:
            policy.look(now)
    return _outcome(orders, loads, now * shape.workers)


def _outcome(orders: list[Order], loads: int, time_s: float) -> Outcome:
    waits = sorted(order.started - order.at for order in orders)
    cuts = statistics.quantiles(waits, n=100)
    useful = sum(order.run_s for order in orders) / time_s
    return Outcome(loads, cuts[49], cuts[94], cuts[98], waits[-1], useful, max(order.run_s for order in orders))


def _row(label: str, name: str, outcome: Outcome, least_loaded: Outcome) -> Row:
    goal = 0.2 if name == "mintmark" and label in GOALS else None
    waits = f"p50 {outcome.p50_s:,.0f}, p95 {outcome.p95_s:,.0f}, p99 {outcome.p99_s:,.0f} s"
    return Row(
        name=f"{label}: {name}, loads over least_loaded's",
        value=outcome.loads / least_loaded.loads,
        most=goal,
        note=f"{outcome.loads:,} loads; waits {waits}, at most {outcome.longest_s:,.0f}; {outcome.useful:.0%} is work",
    )


def _promised(label: str, ours: Outcome, least_loaded: Outcome) -> Iterator[Row]:
    """What placing must not cost: nobody waits longer for it, and nobody for ever."""
    yield Row(name=f"{label}: 95% wait less than, over least_loaded's", value=ours.p95_s / least_loaded.p95_s, most=1.0)
    yield Row(
        name=f"{label}: mintmark, longest wait against its bound",
        value=ours.longest_s,
        unit="s",
        most=(OVERTAKEN_LOADS + 1) * LOAD_S + ours.longest_run_s,
        note=f"{OVERTAKEN_LOADS:.0f} loads in which it may be overtaken, the longest job, and its own load",
    )


def draw(label: str, found: dict[str, Outcome]) -> None:
    """The picture of one fleet, for docs/fleet.md; only of the shapes that it shows."""
    if label not in ("8 workers, busy", "200 workers, busy"):
        return
    name = f"fleet-{label.partition(' ')[0]}.png"
    panels = {
        "model loads": {name: float(outcome.loads) for name, outcome in found.items()},
        "95% wait less than (s)": {name: outcome.p95_s for name, outcome in found.items()},
        "share of time that is work (%)": {name: 100 * outcome.useful for name, outcome in found.items()},
    }
    (IMAGES / name).write_bytes(bars(f"{label}: 6 s a job, 25 s a load", panels, ours="mintmark"))


if __name__ == "__main__":
    main("Placement", measure, __doc__)
