"""Rules are plain functions over values: no I/O, no clock, no chance. Read from the code itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PURE = (
    "metering/prices.py",
    "metering/breakeven.py",
    "metering/curves.py",
    "metering/local.py",
    "generation/call.py",
    "generation/estimate.py",
    "generation/record.py",
    "provenance/manifest.py",
    "moderation/decision.py",
    "moderation/verdict.py",
    "moderation/normalize.py",
    "providers/pace.py",
    "providers/request.py",
    "orchestrator/link/events.py",
    "orchestrator/link/frames.py",
    "orchestrator/link/protocol.py",
    "orchestrator/link/watchdog.py",
    "orchestrator/execution/hearsay.py",
    "orchestrator/execution/kinds.py",
    "orchestrator/jobs/states.py",
    "workflows/digest.py",
    "workflows/semver.py",
    "workflows/validate.py",
    "runner/graph.py",
)
"""Pricing, transitions, placement of holds, verdicts, manifests, protocols; and each module whose docstring says so."""
_REACHING = (
    *("aiofiles", "aiohttp", "asyncio", "concurrent", "filelock", "glob", "http", "logging", "multiprocessing", "os"),
    *("pg8000", "platform", "queue", "random", "secrets", "select", "selectors", "shutil", "signal", "socket"),
    *("sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "urllib", "websockets"),
)
ASKED = frozenset({"now", "utcnow", "today", "utc_now", "uuid1", "uuid4", "open", "print", "input", "urandom"})
"""Calls that ask the world or tell it something."""
HARMLESS = frozenset({"urllib.parse"})


def claimed() -> Iterator[str]:
    """Modules that say of themselves that they are pure."""
    for path in sorted(ROOT.rglob("*.py")):
        place = path.relative_to(ROOT)
        if place.parts[0] in (".venv", ".build", "tests", "build", "bench", "tools"):
            continue
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        if any(word in text for word in (" Pure.", " Pure:", "pure arithmetic", "pure rules")):
            yield place.as_posix()


def world(path: Path) -> Iterator[str]:
    """Whatever in a module could reach the world."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if _reaches(alias.name))
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and _reaches(node.module or ""):
            yield str(node.module)
        elif isinstance(node, ast.ImportFrom) and {alias.name for alias in node.names} & {"clock", "log", "utc_now"}:
            yield f"{'.' * node.level}{node.module or ''} import {node.names[0].name}"
        elif isinstance(node, ast.Call) and _name(node.func) in ASKED:
            yield f"{_name(node.func)}()"
        elif isinstance(node, ast.AsyncFunctionDef | ast.Await):
            yield "async"


def _reaches(module: str) -> bool:
    return module not in HARMLESS and module.partition(".")[0] in _REACHING


def _name(called: ast.expr) -> str:
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


@pytest.mark.parametrize("module", sorted({*PURE, *claimed()}))
def test_a_rule_reaches_nothing_outside_itself(module: str) -> None:
    assert sorted(set(world(ROOT / module))) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import socket", "socket"),
        ("def f():\n    import os.path", "os.path"),
        ("from time import monotonic", "time"),
        ("from ..clock import utc_now", "..clock import utc_now"),
        ("datetime.now()", "now()"),
        ("async def f(): ...", "async"),
        ("open('x')", "open()"),
    ],
)
def test_the_rule_sees_whatever_reaches_out(source: str, found: str, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(source)
    assert list(world(tmp_path / "a.py")) == [found]
