"""Every folder says what belongs in it, and every file has a name that says what it is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ELSEWHERE = re.compile(
    r"\b(not|no|nor|never|nothing|nobody|elsewhere|belongs? to|known to|stands? in|to say)\b", re.IGNORECASE
)
"""How a docstring says what a folder is not for."""
NAMELESS = frozenset(["util", "utils", "helper", "helpers", "common", "manager", "managers", "misc", "shared", "stuff"])
OURS = [
    path for path in sorted(ROOT.rglob("*.py")) if path.relative_to(ROOT).parts[0] not in (".venv", ".build", "build")
]
ROOMS = [path for path in OURS if path.name == "__init__.py" and path.parent != ROOT and "tests" not in path.parts]


@pytest.mark.parametrize("room", ROOMS, ids=lambda path: path.parent.relative_to(ROOT).as_posix())
def test_every_folder_says_what_belongs_in_it_and_what_does_not(room: Path) -> None:
    text = ast.get_docstring(ast.parse(room.read_text(encoding="utf-8"))) or ""
    first = re.split(r"\.\s", text, maxsplit=1)[0]
    assert len(first.split()) >= 4, "say in a sentence what belongs here"
    assert ELSEWHERE.search(text), "say what does not belong here, or where it does"


def test_no_file_has_a_name_that_says_nothing() -> None:
    parts = {part for path in OURS for part in path.relative_to(ROOT).with_suffix("").parts}
    assert {part for part in parts if NAMELESS & set(part.lower().split("_"))} == set()


def test_every_folder_with_code_is_part_of_the_package() -> None:
    """One that is not named in pyproject.toml is missing from what people install."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    named = set(re.findall(r'"mintmark\.([a-z_.]+)"', text.partition("packages = [")[2].partition("]")[0]))
    shipped = {".".join(path.parent.relative_to(ROOT).parts) for path in ROOMS} - {"bench.harness"}
    assert {each for each in shipped if each.partition(".")[0] != "tools"} == named


@pytest.mark.parametrize(
    "module", [path for path in OURS if "tests" not in path.parts], ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_every_file_says_what_it_is_for(module: Path) -> None:
    assert len((ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or "").split()) >= 3
