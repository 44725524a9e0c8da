"""Every benchmark, one after the other: `python -m mintmark.bench.harness.every [FOLDER]` writes each one's JSON there.

Ends with 1 where one failed; the others are run all the same.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from mintmark.discovery import members

FOLDER = Path(__file__).parents[1]
BENCHES = (
    *("run_process", "runner_start", "service_overhead", "signing", "ledger", "fleet_sim", "moderation"),
    *("softbinding", "trivial_prompts", "job_overhead", "hosted_only", "queued_jobs"),
    *("local_sampling", "claims", "fleet_files"),
)
"""To add a benchmark: write its file beside these, with a ``measure``, and its name here. The quick ones come first."""


def known(names: Iterable[str] = BENCHES) -> dict[str, Any]:
    """The benchmarks by the names of their modules. Raises InternalError naming a malformed one."""
    found: list[ModuleType] = [import_module(f"mintmark.bench.{name}") for name in names]
    return members("benchmark", found, None, needs={"measure": Callable, "__doc__": str}, name="__name__")


def run(folder: Path) -> int:
    """How many of them failed."""
    folder.mkdir(parents=True, exist_ok=True)
    failed = 0
    for name in known():
        place = FOLDER / f"{name.rpartition('.')[2]}.py"
        print(f"== {place.relative_to(FOLDER.parent)}", flush=True)
        command = [sys.executable, str(place), "--json", str(folder / f"{place.stem}.json")]
        failed += subprocess.run(command, check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(1 if run(Path(sys.argv[1] if sys.argv[1:] else ".build/bench")) else 0)
