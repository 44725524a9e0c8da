"""What a person waits for at the prompt: `python bench/run_process.py [--json PATH]`.

Whole processes, from start to exit, against a sandbox of zero latency that runs already. The first run, which makes the
signing keys, is not counted. Then how long the node pack's import takes by ComfyUI's own log.
"""

from __future__ import annotations

import re
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from mintmark.bench.harness.processes import Taken, environment, mintmark, read, tail, timed
from mintmark.bench.harness.report import NotRun, Report, Sample, main, measured, not_run, rounds
from mintmark.bench.harness.workers import LINK, comfyui, sandbox

ROUNDS = 9
WITHIN_S = 35.0
STARTS = 2


def measure(report: Report) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        providers = stack.enter_context(sandbox(folder, 0)).url
        env = warmed(folder, environment(MINTMARK_DATA_DIR=str(folder / "data"), MINTMARK_SANDBOX_URL=providers))
        commands(report, folder, env)
        try:
            imports = [pack_import_ms(folder / str(turn), providers) for turn in range(STARTS)]
        except NotRun as error:
            report.add(not_run("import of the pack in ComfyUI", error))
            return
    told = [by_log for by_log, _ in imports]
    report.add(measured("import of the pack, by ComfyUI's log", told, "ms", note="it tells tenths of a second"))
    report.add(measured("import of the pack, by Python's count", [own for _, own in imports], "ms", most=50))


def warmed(folder: Path, env: dict[str, str]) -> dict[str, str]:
    """With compiled modules kept between the runs, as for everybody; here in a folder of their own.

    A developer's or a container's environment may forbid it, and then each run would compile our every module again.
    """
    return {**env, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}


def commands(report: Report, folder: Path, env: dict[str, str]) -> None:
    """Each in turns with the others, so that a busy machine slows all."""
    run = mintmark("run", "text-to-image", "--sandbox", "-o", folder / "out", "--json")
    asked: dict[str, tuple[list[str], float | None]] = {
        "python -c pass": ([sys.executable, "-c", "pass"], None),
        "mintmark --help": (mintmark("--help"), None),
        "mintmark run at 64²": ([*run, "--set", "width=64", "--set", "height=64"], 600),
        "mintmark run at 1024²": (run, None),
    }
    timed(run, env, folder)
    found: dict[str, list[Taken]] = {name: [] for name in asked}
    for _ in rounds(ROUNDS, WITHIN_S):
        for name, (command, _goal) in asked.items():
            found[name].append(timed(command, env, folder))
    for name, (_, goal) in asked.items():
        own = Sample.of(each.own for each in found[name]).median
        note = f"{own:.0f} ms of its own processor time"
        report.add(measured(name, [each.clock for each in found[name]], "ms", most=goal, note=note))


def pack_import_ms(folder: Path, providers: str) -> tuple[float, float]:
    """What ComfyUI says of the pack under "Import times for custom nodes", and what Python counts for its modules."""
    folder.mkdir()
    with comfyui(folder, providers, PYTHONPROFILEIMPORTTIME="1") as server:
        read(f"{server.url}/object_info/MintmarkTextToImage")
        said = server.log.read_text(encoding="utf-8", errors="replace")
    found = re.search(rf"([0-9.]+) seconds( \(IMPORT FAILED\))?:.*{re.escape(LINK)}", said)
    if found is None or found[2]:
        raise NotRun(f"ComfyUI did not load the pack: {tail(server.log)}")
    return float(found[1]) * 1000, counted_ms(said)


def counted_ms(said: str) -> float:
    """The sum over the pack's modules, each with all that it imports first and nobody had imported before.

    A module is told after what it imported, one step less indented, so the list is read from its end.
    """
    total_us, inside = 0, None
    for cumulative, indent, name in reversed(re.findall(r"import time:\s+\d+ \|\s+(\d+) \|( +)(\S.*)", said)):
        if inside is not None and len(indent) > inside:
            continue
        inside = len(indent) if LINK in name else None
        total_us += int(cumulative) if LINK in name else 0
    if not total_us:
        raise NotRun("Python counted no import of the pack")
    return total_us / 1000


if __name__ == "__main__":
    main("Whole processes", measure, __doc__)
