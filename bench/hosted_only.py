"""Many hosted-only prompts at 2 s provider latency, runner against ComfyUI: `python bench/hosted_only.py [--json PATH]`.

ComfyUI runs prompts one by one, so 200 take it some seven minutes: its time is measured on a few and told for 200.
The client, the graphs and the sandbox are the same for both. At 64 pixels nearly all is protocol and books; at 1024
pixels with moderation and signing, drawing in the sandbox is counted too, so that one is reported, not judged.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from mintmark.bench.harness.client import drive
from mintmark.bench.harness.graphs import Graph, hosted, signed
from mintmark.bench.harness.processes import Server, usage
from mintmark.bench.harness.report import NotRun, Report, Row, main, measured, not_run
from mintmark.bench.harness.workers import comfyui, runner, sandbox

PROMPTS = 200
LATENCY_S = 2.0
COMFY_PROMPTS = 6
GOAL = 100.0
TURNS = 2


def measure(report: Report) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        providers = stack.enter_context(sandbox(folder, LATENCY_S)).url
        light = stack.enter_context(runner(folder, providers))
        drive(light.url, [signed(0, 64)])
        small = [batch(light, hosted, turn, 64) for turn in range(TURNS)]
        report.add(measured(f"{PROMPTS} at 64²: runner", small, "s"))
        before = usage(light.pid).cpu_s
        large = batch(light, signed, TURNS, 1024)
        of_own = f"{(usage(light.pid).cpu_s - before) * 1000 / PROMPTS:.0f} ms of its own processor time a prompt"
        rows = [Row(name=f"{PROMPTS} at 1024², moderated and signed: runner", value=large, unit="s", note=of_own)]
        as_shipped(report, folder, providers)
        try:
            one_by_one = stack.enter_context(comfyui(folder, providers))
            compare(report, one_by_one, small, large, rows)
        except NotRun as error:
            rows += [not_run("200 at 64²: ComfyUI", error), not_run("ratio", error)]
        report.add(*rows)


def as_shipped(report: Report, folder: Path, providers: str) -> None:
    """With the number of prompts at once that ``mintmark runner`` allows without being told."""
    with runner(folder, providers, max_prompts=None) as light:
        drive(light.url, [hosted(0)])
        taken = batch(light, hosted, 0, 64)
    report.add(Row(name=f"{PROMPTS} at 64²: `mintmark runner` as it comes", value=taken, unit="s"))


def batch(server: Server, graph: Callable[[int, int], Graph], turn: int, side: int) -> float:
    """Seconds for all prompts, of which no two are alike."""
    first = 1 + turn * PROMPTS
    return drive(server.url, [graph(first + number, side) for number in range(PROMPTS)]).seconds


def compare(report: Report, comfy: Server, small: list[float], large: float, rows: list[Row]) -> None:
    drive(comfy.url, [signed(0, 64)])
    for side, graph, ours, goal in ((64, hosted, small, GOAL), (1024, signed, [large], None)):
        few = drive(comfy.url, [graph(10_000 + number, side) for number in range(COMFY_PROMPTS)]).seconds
        theirs = few / COMFY_PROMPTS * PROMPTS
        found = rows if goal is None else report.rows
        note = f"measured on {COMFY_PROMPTS} ({few:.1f} s)"
        found.append(Row(name=f"{PROMPTS} at {side}²: ComfyUI", value=theirs, unit="s", note=note))
        found.append(measured(f"{PROMPTS} at {side}²: ratio", [theirs / each for each in ours], "×", least=goal))


if __name__ == "__main__":
    main(f"{PROMPTS} hosted-only prompts, provider latency {LATENCY_S:g} s", measure, __doc__)
