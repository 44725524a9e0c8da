"""Prompts of two cheap nodes per second, runner against ComfyUI: `python bench/trivial_prompts.py [--json PATH]`.

The same client, in this process, posts all prompts and hears the end of each on its websocket; the workers take turns,
so that a busy machine slows both. Prompts per second of a worker's own processor time are what its code allows where
nothing else wants the core.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from mintmark.bench.harness.client import drive
from mintmark.bench.harness.graphs import Graph, trivial
from mintmark.bench.harness.processes import Server, usage
from mintmark.bench.harness.report import NotRun, Report, main, measured, not_run, rounds
from mintmark.bench.harness.workers import comfyui, runner, sandbox

PROMPTS = 600
TURNS = 3
WITHIN_S = 25.0
GOAL = 1000.0


@dataclass
class Rates:
    """Prompts per second of one worker, turn by turn: of the clock, and of its own processor time."""

    clock: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)

    def take(self, server: Server, graphs: list[Graph]) -> None:
        before = usage(server.pid).cpu_s
        self.clock.append(len(graphs) / drive(server.url, graphs).seconds)
        self.own.append(len(graphs) / (usage(server.pid).cpu_s - before))


Found = dict[str, Rates]


def measure(report: Report) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        providers = stack.enter_context(sandbox(folder, 0)).url
        workers = {"runner": stack.enter_context(runner(folder, providers, max_prompts=None))}
        missing: NotRun | None = None
        try:
            workers["ComfyUI"] = stack.enter_context(comfyui(folder, providers))
        except NotRun as error:
            missing = error
        uncached, cached = rates(workers)
    add(report, "distinct prompts", uncached, missing, goal=GOAL)
    add(report, "one prompt again and again", cached, missing)


def rates(workers: dict[str, Server]) -> tuple[Found, Found]:
    """Of prompts that no cache knows, and of one that it knows."""
    uncached: Found = {name: Rates() for name in workers}
    cached: Found = {name: Rates() for name in workers}
    for server in workers.values():
        drive(server.url, [trivial(-number) for number in range(1, 51)])
    for turn in rounds(TURNS, WITHIN_S):
        first = 1 + turn * PROMPTS
        for name, server in workers.items():
            uncached[name].take(server, [trivial(first + number) for number in range(PROMPTS)])
            cached[name].take(server, [trivial(first)] * PROMPTS)
    return uncached, cached


def add(report: Report, what: str, found: Found, missing: NotRun | None, goal: float | None = None) -> None:
    ours = found["runner"]
    report.add(measured(f"{what}: runner", ours.clock, "/s", least=goal))
    report.add(measured(f"{what}: runner, of its own core", ours.own, "/s"))
    if missing is not None:
        report.add(not_run(f"{what}: ComfyUI", missing), not_run(f"{what}: ratio", missing))
        return
    theirs = found["ComfyUI"]
    ratios = [mine / other for mine, other in zip(ours.clock, theirs.clock, strict=True)]
    report.add(measured(f"{what}: ComfyUI", theirs.clock, "/s"), measured(f"{what}: ratio", ratios, "×"))


if __name__ == "__main__":
    main("Trivial prompts per second", measure, __doc__)
