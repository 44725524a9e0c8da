"""One form for every benchmark: rows of a table, and the same rows as JSON with the machine they were measured on."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console
from rich.table import Table


class NotRun(Exception):
    """Something that a measurement needs is not here; the text says what."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Repeated measurements of one thing, by their median and their spread."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Sample:
        found = sorted(values)
        return cls(median=statistics.median(found), low=found[0], high=found[-1], count=len(found))


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line. ``most`` and ``least`` are goals: a value beyond one is a miss. ``value`` None means "not run"."""

    name: str
    value: float | None
    unit: str = ""
    most: float | None = None
    least: float | None = None
    spread: Sample | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none, or nothing was measured."""
        if self.value is None or (self.most is None and self.least is None):
            return None
        return (self.most is None or self.value <= self.most) and (self.least is None or self.value >= self.least)

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not run"
        return {None: "", True: "met", False: "missed"}[self.met]


def measured(name: str, values: Sequence[float], unit: str, **more: object) -> Row:
    """A row of the median of repeated measurements."""
    sample = Sample.of(values)
    return Row(name=name, value=sample.median, unit=unit, spread=sample, **more)  # type: ignore[arg-type]


def not_run(name: str, why: object) -> Row:
    """A row that says why it has no number."""
    return Row(name=name, value=None, note=str(why))


@dataclass
class Report:
    """The rows of one benchmark, in the order in which they were found."""

    title: str
    rows: list[Row] = field(default_factory=list)

    def add(self, *rows: Row) -> None:
        self.rows += rows

    def table(self) -> Table:
        table = Table(title=self.title, title_justify="left", title_style="bold")
        for name, right in (("what", False), ("value", True), ("spread", True), ("goal", True), ("", False)):
            table.add_column(name, justify="right" if right else "left")
        table.add_column("note", overflow="fold")
        for row in self.rows:
            table.add_row(row.name, _value(row), _spread(row), _goal(row), row.verdict, row.note)
        return table

    def as_dict(self) -> dict[str, object]:
        rows = [{**asdict(row), "verdict": row.verdict} for row in self.rows]
        return {"benchmark": self.title, "rows": rows}


def rounds(most: int, within_s: float) -> Iterator[int]:
    """Round after round while there is time, and at least two: on a busy machine a benchmark ends all the same."""
    until = time.monotonic() + within_s
    for turn in range(most):
        if turn >= 2 and time.monotonic() > until:
            return
        yield turn


def main(title: str, measure: Callable[[Report], object], about: str | None) -> None:
    """Run one benchmark as a script: ``[--json PATH]``."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--json", type=Path, help="write the numbers here, too")
    path: Path | None = parser.parse_args().json
    report = Report(title)
    started, load = time.monotonic(), _load()
    try:
        measure(report)
    except NotRun as error:
        report.add(not_run("the rest", error))
    finally:
        Console(width=None if os.environ.get("COLUMNS") else 140).print(report.table())
    if path is not None:
        facts = {"machine": machine(), "load_before": load, "load_after": _load()}
        times = {"at": datetime.now(timezone.utc).isoformat(), "seconds": round(time.monotonic() - started, 1)}
        path.write_text(json.dumps({**report.as_dict(), **facts, **times}, indent=2) + "\n", encoding="utf-8")


def machine() -> dict[str, object]:
    """What the numbers depend on, without anything that names the machine."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gb": round(_memory_bytes() / 2**30),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def _load() -> float | None:
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _number(value: float) -> str:
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}"


def _value(row: Row) -> str:
    return "not run" if row.value is None else f"{_number(row.value)} {row.unit}".strip()


def _spread(row: Row) -> str:
    if row.spread is None or row.spread.count < 2:
        return ""
    return f"{_number(row.spread.low)} – {_number(row.spread.high)} of {row.spread.count}"


def _goal(row: Row) -> str:
    bounds = [("≤", row.most), ("≥", row.least)]
    return " ".join(f"{sign} {_number(bound)}" for sign, bound in bounds if bound is not None)
