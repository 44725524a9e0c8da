"""Many hosted-only prompts at once, runner against ComfyUI: `python bench/hosted_only.py [--json PATH]`.

ComfyUI runs prompts one by one, so 200 take it some seven minutes: its time is measured on a few and told for as many
as the runner ran. The client, the graphs and the sandbox are the same for both. At 64 pixels nearly all is protocol and
books. At 1024 pixels with moderation and signing the sandbox's drawing (some 70 ms of a core an image, on this machine)
is counted too and takes more than the waiting, so fewer are run, and the ratio is reported, not judged.
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

Shape = Callable[[int, int], Graph]

PROMPTS = 200
LARGE = 30
LATENCY_S = 2.0
COMFY_PROMPTS = 5
GOAL = 100.0
TURNS = 2


def measure(report: Report) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        providers = stack.enter_context(sandbox(folder, LATENCY_S)).url
        light = stack.enter_context(runner(folder, providers))
        drive(light.url, [signed(0, 64)])
        small = [batch(report, light, hosted, PROMPTS, 64, turn) for turn in range(TURNS)]
        report.add(measured(f"{PROMPTS} at 64²: runner", small, "s"))
        as_shipped(report, folder, providers)
        large = batch(report, light, signed, LARGE, 1024, TURNS)
        report.add(Row(name=f"{LARGE} at 1024², moderated and signed: runner", value=large, unit="s"))
        try:
            one_by_one = stack.enter_context(comfyui(folder, providers))
        except NotRun as error:
            report.add(not_run("ComfyUI, and all ratios", error))
            return
        drive(one_by_one.url, [signed(0, 64)])
        compare(report, one_by_one, hosted, 64, PROMPTS, small, GOAL)
        compare(report, one_by_one, signed, 1024, LARGE, [large])


def batch(report: Report, server: Server, graph: Shape, count: int, side: int, turn: int) -> float:
    """Seconds for all prompts, of which no two are alike."""
    before = usage(server.pid).cpu_s
    taken = drive(server.url, [graph(1 + turn * PROMPTS + number, side) for number in range(count)]).seconds
    own_ms = (usage(server.pid).cpu_s - before) * 1000 / count
    if turn:
        report.add(Row(name=f"the runner's own processor time at {side}²", value=own_ms, unit="ms a prompt"))
    return taken


def as_shipped(report: Report, folder: Path, providers: str) -> None:
    """With the number of prompts at once that ``mintmark runner`` allows without being told."""
    with runner(folder, providers, max_prompts=None) as light:
        drive(light.url, [hosted(0)])
        taken = batch(report, light, hosted, PROMPTS, 64, 0)
    report.add(Row(name=f"{PROMPTS} at 64²: `mintmark runner` as it comes", value=taken, unit="s"))


def compare(
    report: Report, comfy: Server, graph: Shape, side: int, count: int, ours: list[float], goal: float | None = None
) -> None:
    few = drive(comfy.url, [graph(10_000 + number, side) for number in range(COMFY_PROMPTS)]).seconds
    theirs = few / COMFY_PROMPTS * count
    note = f"measured on {COMFY_PROMPTS}: {few:.1f} s"
    report.add(Row(name=f"{count} at {side}²: ComfyUI", value=theirs, unit="s", note=note))
    report.add(measured(f"{count} at {side}²: ratio", [theirs / each for each in ours], "×", least=goal))


if __name__ == "__main__":
    main(f"Hosted-only prompts, provider latency {LATENCY_S:g} s", measure, __doc__)
