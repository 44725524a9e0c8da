"""Break a line that matters, and see that a test notices: `python tools/mutants.py [--only WORDS] [--keep-going]`.

Each defect of ``mutants.json`` is made in a copy of the tree, and the tests named with it are run there: one must fail.
The tree itself is never touched. A text that is not there any more, tests that fail without any defect, and tests that
do not run are errors: nothing here passes for want of looking.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

ROOT = Path(__file__).parents[1]
DATA = Path(__file__).with_name("mutants.json")
AT_MOST_S = 600
"""A defect may make a test wait for ever; that is noticed, too."""
_FAILED = 1
"""What pytest exits with where tests ran and some failed; anything else is no verdict."""


class Spoiled(Exception):
    """A defect cannot be made, or its tests say nothing; the text says why."""


@dataclass(frozen=True)
class Mutant:
    """One defect. ``old`` stands once in ``file``."""

    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied(self, text: str) -> str:
        """The file's text with the defect. Raises Spoiled."""
        if (found := text.count(self.old)) != 1:
            raise Spoiled(f"{self.file} has {self.old!r} {found} times, not once: mend mutants.json.")
        return text.replace(self.old, self.new)

    def line(self, text: str) -> int:
        return text[: text.index(self.old)].count("\n") + 1


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="defects whose description has these words")
    asked = parser.parse_args(argv)
    console = Console(highlight=False, soft_wrap=True)
    chosen = [each for each in read(DATA) if asked.only in each.what]
    with tempfile.TemporaryDirectory() as folder:
        tree = copied(ROOT, Path(folder))
        try:
            check(tree, chosen)
            survivors = [each for each in chosen if not noticed(tree, each, console)]
        except Spoiled as exc:
            console.print(f"[red]{exc}")
            return 2
    console.print(f"{len(chosen) - len(survivors)} of {len(chosen)} defects were noticed.")
    return 1 if survivors or not chosen else 0


def read(path: Path) -> list[Mutant]:
    rows = json.loads(path.read_text(encoding="utf-8"))["mutants"]
    return [Mutant(**{**row, "tests": tuple(row["tests"])}) for row in rows]


def copied(root: Path, folder: Path) -> Path:
    """What git tracks or would take of the tree, in a folder of the package's name."""
    tree = folder / "mintmark"
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (root / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, tree / name)
    return tree


def check(tree: Path, chosen: Sequence[Mutant]) -> None:
    """Raises Spoiled where a defect cannot be made, or a test fails without one."""
    for each in chosen:
        each.applied((tree / each.file).read_text(encoding="utf-8"))
    if chosen:
        done = run(tree, sorted({test for each in chosen for test in each.tests}))
        if done is None or done.returncode != 0:
            raise Spoiled(f"Without any defect the tests fail:\n{'' if done is None else done.stdout[-2000:]}")


def noticed(tree: Path, mutant: Mutant, console: Console) -> bool:
    """Whether a test fails of it. Leaves the tree as it was."""
    path = tree / mutant.file
    before = path.read_text(encoding="utf-8")
    path.write_text(mutant.applied(before), encoding="utf-8")
    try:
        done = run(tree, mutant.tests)
    finally:
        path.write_text(before, encoding="utf-8")
    where = f"{mutant.file}:{mutant.line(before)}  {mutant.what}"
    if done is not None and done.returncode not in (0, _FAILED):
        raise Spoiled(f"{where}: its tests did not run (pytest exits {done.returncode}):\n{done.stdout[-2000:]}")
    by = "nobody" if done and done.returncode == 0 else failing(done.stdout) if done else f"not over in {AT_MOST_S} s"
    console.print(f"{where}  -> {by}", style="red" if by == "nobody" else None, markup=False)
    return by != "nobody"


def failing(told: str) -> str:
    """The first test that failed, by pytest's summary."""
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", told, re.MULTILINE)
    return found[1] if found else "a test"


def run(tree: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str] | None:
    """Pytest over these files of the copy, up to the first failure; None where it does not end."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *tests]
    # The copy comes first, before the tree that the environment has installed.
    environment = {**os.environ, "PYTHONPATH": str(tree.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        return subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, timeout=AT_MOST_S, check=False
        )
    except subprocess.TimeoutExpired:
        return None


if __name__ == "__main__":
    raise SystemExit(main())
