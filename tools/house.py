"""The house in numbers, beside the anchors': `python tools/house.py [ROOT] [--json PATH] [--shapes] [--largest N]`.

Numbers are where to look, not what to reach. ``--shapes`` lists the functions that are alike but for their words,
``--largest`` the longest files and functions.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mintmark.tools.measures import Measures, Source, Spread, functions, length, sources
from mintmark.tools.shapes import Place, pairs, same_shape

ROOT = Path(__file__).parents[1]
ANCHORS = Path(__file__).with_name("anchors.json")
COLUMNS = (
    *("", "files", "file med / p90 / max", "fn med / p90 / max"),
    *("comment", "doc", "annotated", "broad", "raise Exception", "test ratio"),
)


def main(argv: Sequence[str] | None = None) -> None:
    asked = _arguments(argv)
    found = sources(asked.root)
    code, tests = [each for each in found if not each.is_test], [each for each in found if each.is_test]
    groups = {"code": same_shape(code), "tests": same_shape(tests), "everything": same_shape(found)}
    console = Console(width=130, highlight=False)
    console.print(table(Measures.of(code), Measures.of(tests)))
    for name, each in groups.items():
        console.print(f"{name}: {pairs(each)} pairs of functions of the same shape, in {len(each)} groups")
    if asked.shapes:
        for group in groups["everything"]:
            console.print("  " + " ~ ".join(map(str, group)), soft_wrap=True)
    for line in largest(found, asked.largest):
        console.print(line)
    if asked.json is not None:
        numbers = numbered(Measures.of(code), Measures.of(tests), groups)
        asked.json.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", nargs="?", type=Path, default=ROOT)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--shapes", action="store_true")
    parser.add_argument("--largest", type=int, default=0)
    return parser.parse_args(argv)


def table(code: Measures, tests: Measures) -> Table:
    """The anchors' rows, then ours."""
    made = Table(*COLUMNS, box=None, pad_edge=False)
    for anchor in json.loads(ANCHORS.read_text(encoding="utf-8"))["anchors"]:
        made.add_row(*_anchor(anchor))
    made.add_section()
    made.add_row("this house", *_ours(code), f"{tests.total / code.total:.2f}", style="bold")
    made.add_row("its tests", *_ours(tests), "")
    return made


def _anchor(anchor: dict[str, Any]) -> Iterator[str]:
    yield from (anchor["name"], str(anchor["files"]), _spread(anchor["lines"]), _spread(anchor["fn"]))
    yield from (f"{anchor['comment']:.1%}", f"{anchor['doc']:.1%}", f"{anchor['annotated']:.0%}")
    yield "–" if anchor["broad"] is None else f"{anchor['broad']:.1f}"
    yield "–"
    yield "–" if anchor["ratio"] is None else f"{anchor['ratio']:.2f}"


def _ours(of: Measures) -> Iterator[str]:
    yield from (str(of.files), _spread(_three(of.lines)), _spread(_three(of.functions)))
    yield from (f"{of.comment:.1%}", f"{of.doc:.1%}", f"{of.annotated:.0%}", f"{of.broad:.1f}", str(of.raised_bare))


def _three(spread: Spread) -> list[int]:
    return [spread.median, spread.p90, spread.most]


def _spread(three: Sequence[int]) -> str:
    return " / ".join(map(str, three))


def largest(found: Sequence[Source], most: int) -> Iterator[str]:
    """The longest files, then the longest functions."""
    for source in sorted(found, key=lambda each: -each.lines)[:most]:
        yield f"{source.lines:5} {source.name}"
    every = [
        (length(function), f"{source.name}:{function.lineno}")
        for source in found
        for function in functions(source.tree)
    ]
    for lines, place in sorted(every, reverse=True)[:most]:
        yield f"{lines:5} {place}"


def numbered(code: Measures, tests: Measures, groups: dict[str, list[list[Place]]]) -> dict[str, Any]:
    """The same as JSON, so that two runs can be laid side by side."""
    same = {name: {"groups": len(each), "pairs": pairs(each)} for name, each in groups.items()}
    return {"code": asdict(code), "tests": asdict(tests), "same_shape": same}


if __name__ == "__main__":
    main()
