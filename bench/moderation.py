"""What the prompt rules find and what they stop wrongly: `python bench/moderation.py [--json PATH]`.

Two halves of labelled prompts (``tests/moderation/labelled``): the open one, which the lists were written against, and
the frozen one, which was written without sight of them. A prompt counts as found where the verdict under the standard
policy is anything but allowed, as the frozen half's README has it. Intervals are Wilson's, 95%. Then what one prompt
costs, over a bare casefold and search, and what the other ways of searching the same words would cost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial

from mintmark.bench.harness.labelled import HALVES, Labelled, Tally, judged, load, wilson
from mintmark.bench.harness.report import Report, Row, main, measured
from mintmark.bench.harness.searching import PROMPTS, ways
from mintmark.moderation.matching import lexicon
from mintmark.moderation.rules import scan

LEAST_RECALL, LEAST_PRECISION = 0.95, 0.97
MOST_MS = 0.2
ROUNDS, REPEATS = 30, 20


def measure(report: Report) -> None:
    for half in HALVES:
        entries = judged(load(half))
        for name, tally in tallies(entries):
            report.add(*rows(half, name, tally, goal=half == "frozen" and name == "all"))
        report.add(traps(half, entries))
    cost(report)


def tallies(entries: list[Labelled]) -> Iterable[tuple[str, Tally]]:
    """All of them; then by language, by kind and by category."""
    yield "all", Tally.of(entries)
    for language in sorted({entry.lang for entry in entries}):
        yield f"language {language}", Tally.of([entry for entry in entries if entry.lang == language])
    for kind in ("plain", "evasion"):
        yield f"kind {kind}", Tally.of([entry for entry in entries if entry.kind == kind])
    for category in sorted({entry.category for entry in entries if entry.category}):
        yield f"category {category}", Tally.of_category(entries, category)


def rows(half: str, name: str, tally: Tally, *, goal: bool) -> list[Row]:
    recall = Row(
        name=f"{half}, {name}: recall",
        value=tally.recall,
        least=LEAST_RECALL if goal else None,
        note=f"{tally.found} of {tally.wanted}, {interval(tally.found, tally.wanted)}{tally.remark}",
    )
    precision = Row(
        name=f"{half}, {name}: precision",
        value=tally.precision,
        least=LEAST_PRECISION if goal else None,
        note=f"{tally.right} of {tally.said}, {interval(tally.right, tally.said)}",
    )
    return [recall, precision]


def traps(half: str, entries: list[Labelled]) -> Row:
    harmless = [entry for entry in entries if entry.category is None]
    stopped = sum(entry.decision != "allowed" for entry in harmless)
    share = stopped / len(harmless) if harmless else None
    note = f"{stopped} of {len(harmless)}, {interval(stopped, len(harmless))}"
    return Row(name=f"{half}: traps that were stopped or flagged", value=share, note=note)


def interval(part: int, whole: int) -> str:
    low, high = wilson(part, whole)
    return f"95%: {low:.3f} – {high:.3f}"


def cost(report: Report) -> None:
    """What one prompt costs, in turns with a bare search so that a busy machine slows both."""
    started = time.process_time()
    lexicon.cache_clear()
    lexicon()
    report.add(
        Row(name="building the tables, once in a process", value=(time.process_time() - started) * 1000, unit="ms")
    )
    for name, prompt in PROMPTS.items():
        bare, ours = alternate(partial(bare_search, prompt), partial(scan, prompt))
        report.add(measured(f"a prompt, {name} ({len(prompt)} characters)", ours, "ms", most=MOST_MS))
        ratio = [mine / base for mine, base in zip(ours, bare, strict=True)]
        report.add(measured(f"a prompt, {name}, over a bare casefold and find", ratio, "×"))
    for name, way in ways().items():
        report.add(measured(f"the words alone in the typical prompt: {name}", timed(way), "ms"))


def bare_search(prompt: str) -> bool:
    return "zxq" in prompt.casefold()


def alternate(*calls: Callable[[], object]) -> tuple[list[float], ...]:
    """Milliseconds of each call, in turns, the shortest of several each time: others run on this machine, too."""
    times: tuple[list[float], ...] = tuple([] for _ in calls)
    for _ in range(ROUNDS):
        for call, taken in zip(calls, times, strict=True):
            taken.append(min(timed(call)))
    return times


def timed(call: Callable[[], object]) -> list[float]:
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        taken.append((time.perf_counter() - start) * 1000)
    return taken


if __name__ == "__main__":
    main("Prompt rules", measure, __doc__)
