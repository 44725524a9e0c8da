"""What the runner takes to start and to wait: `python bench/runner_start.py [--json PATH]`.

Start to ready is from starting the process to its first answer. Then so many hosted calls are in flight at once, at a
provider that is slow enough for all of them to wait together; memory and processor time are the runner's own.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from mintmark.bench.harness.client import drive
from mintmark.bench.harness.graphs import hosted
from mintmark.bench.harness.processes import Server, environment, read, timed, usage
from mintmark.bench.harness.report import NotRun, Report, Row, main, measured, rounds
from mintmark.bench.harness.workers import runner, sandbox

STARTS = 5
WITHIN_S = 8.0
IN_FLIGHT = 1000
LATENCY_S = 30.0
RAMP_S = 28.0
WINDOW_S = 5.0
MIB = 2**20


def measure(report: Report) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        starts(report, folder)
        providers = stack.enter_context(sandbox(folder, LATENCY_S))
        waiting(report, stack.enter_context(runner(folder, providers.url)), providers)


def starts(report: Report, folder: Path) -> None:
    """Of the command as people start it, and of Python alone beside it."""
    ready, idle, bare = [], [], []
    for _ in rounds(STARTS, WITHIN_S):
        bare.append(timed([sys.executable, "-c", "pass"], environment()).clock / 1000)
        with runner(folder, "http://127.0.0.1:1", max_prompts=None) as light:
            ready.append(light.ready_s)
            idle.append(usage(light.pid).rss / MIB)
    report.add(
        measured("start to ready", ready, "s", most=1.0),
        measured("Python alone, start to end", bare, "s"),
        measured("memory when idle", idle, "MiB", most=120),
    )


def waiting(report: Report, light: Server, providers: Server) -> None:
    """Memory and processor time with all calls in flight, and the most memory until all are done."""
    trouble: list[NotRun] = []
    batch = threading.Thread(target=_drive, args=(light.url, trouble))
    batch.start()
    started = time.monotonic()
    while time.monotonic() - started < RAMP_S and not trouble and asked(providers) < IN_FLIGHT:
        time.sleep(1.0)
    flying, ramp = asked(providers), time.monotonic() - started
    before, since = usage(light.pid), time.monotonic()
    time.sleep(WINDOW_S)
    after, lasted = usage(light.pid), time.monotonic() - since
    batch.join()
    if trouble:
        raise trouble[0]
    report.add(
        Row(name="calls in flight", value=flying, least=IN_FLIGHT, note=f"all asked after {ramp:.0f} s"),
        Row(name="memory with them in flight", value=after.rss / MIB, unit="MiB", most=1024),
        Row(name="cores while waiting", value=(after.cpu_s - before.cpu_s) / lasted, most=1.0),
        Row(name="most memory until all were done", value=usage(light.pid).peak / MIB, unit="MiB", most=1024),
        Row(name="own processor time", value=usage(light.pid).cpu_s * 1000 / IN_FLIGHT, unit="ms a prompt"),
    )


def _drive(url: str, trouble: list[NotRun]) -> None:
    try:
        drive(url, [hosted(number) for number in range(IN_FLIGHT)])
    except NotRun as error:
        trouble.append(error)


def asked(providers: Server) -> int:
    """How many generations have reached the sandbox."""
    return len(json.loads(read(f"{providers.url}/_sandbox/calls") or "[]"))


if __name__ == "__main__":
    main("The runner: start, memory, and calls in flight", measure, __doc__)
