"""Every defect that is to be noticed can still be made, and is looked for by tests that are there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from mintmark.tools.mutants import DATA, ROOT, Mutant, Spoiled, check, failing, noticed, read

MUTANTS = read(DATA)
CODE = "def larger(one, other):\n    return one if one > other else other\n"
TEST = "from code_of_a_tree import larger\n\n\ndef test_the_larger_is_larger():\n    assert larger(1, 2) == 2\n"
WRONG = Mutant("it gives the smaller", "code_of_a_tree.py", "one > other", "one < other", ("test_it.py",))


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "code_of_a_tree.py").write_text(CODE)
    (tmp_path / "test_it.py").write_text(TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return tmp_path


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: each.what)
def test_the_line_is_still_there_and_would_change(mutant: Mutant) -> None:
    text = (ROOT / mutant.file).read_text(encoding="utf-8")
    changed = mutant.applied(text)
    assert changed != text
    compile(changed, mutant.file, "exec")
    assert all((ROOT / test).exists() for test in mutant.tests)


def test_there_are_ten_at_least_in_many_rooms() -> None:
    assert len(MUTANTS) >= 10
    assert len({each.file.partition("/")[0] for each in MUTANTS}) >= 6


def test_a_defect_is_noticed_by_a_test_and_is_gone_afterwards(tree: Path) -> None:
    check(tree, [WRONG])
    assert noticed(tree, WRONG, Console(quiet=True))
    assert (tree / WRONG.file).read_text() == CODE


def test_a_defect_that_no_test_looks_for_survives(tree: Path) -> None:
    assert not noticed(tree, replace(WRONG, new="one >= other"), Console(quiet=True))


@pytest.mark.parametrize(
    ("mutant", "said"),
    [
        (replace(WRONG, old="one > two"), "0 times"),
        (replace(WRONG, old="other"), "3 times"),
        (replace(WRONG, tests=("test_gone.py",)), "fail"),
    ],
)
def test_what_says_nothing_fails_loudly(tree: Path, mutant: Mutant, said: str) -> None:
    with pytest.raises(Spoiled, match=said):
        check(tree, [mutant])


def test_a_test_that_cannot_run_is_no_test_that_fails(tree: Path) -> None:
    with pytest.raises(Spoiled, match="did not run"):
        noticed(tree, replace(WRONG, new="one > > other"), Console(quiet=True))


def test_the_failing_test_is_named() -> None:
    assert failing("..F\nFAILED tests/a.py::test_b - AssertionError\n") == "tests/a.py::test_b"
