"""The numbers of the house are counted as they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mintmark.tools import house
from mintmark.tools.measures import Measures, Spread, sources
from mintmark.tools.shapes import pairs, same_shape

CODE = '''"""A module."""

# why
def twice(number: int) -> int:
    """Twice
    as much."""
    try:
        return 2 * number
    except Exception:
        raise Exception("no") from None


def bare(number):
    try:
        return number
    except (ValueError, Exception):
        raise
'''
LONG = """
def {name}({given}):
    found = []
    for {each} in {given}:
        if {each}.{field} > {limit}:
            found.append({each})
        else:
            found.remove({each})
    {more}
    return sorted(found)
"""
ONE = LONG.format(name="dear", given="offers", each="offer", field="price", limit=10, more="print(found)")
OTHER = LONG.format(name="old", given="people", each="one", field="age", limit=60, more="log(found)")
THIRD = LONG.format(name="new", given="people", each="one", field="age", limit=60, more="del found[0]")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in {"code.py": CODE, "tests/test_code.py": "assert 1 < 2\n", ".venv/far.py": "1\n"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_files_functions_prose_and_excepts_are_counted(tree: Path) -> None:
    (code,) = [each for each in sources(tree) if not each.is_test]
    found = Measures.of([code])
    assert (found.files, found.total, found.lines.most) == (1, 17, 17)
    assert (found.functions.median, found.functions.most) == (7, 7)
    assert (found.comment, found.doc) == (1 / 17, 3 / 17)
    assert found.annotated == 0.5
    assert found.broad == pytest.approx(2000 / 17)
    assert found.raised_bare == 1


def test_environments_and_builds_are_no_part_of_the_house(tree: Path) -> None:
    assert [each.name for each in sources(tree)] == ["code.py", "tests/test_code.py"]


def test_a_spread_is_the_middle_nine_of_ten_and_the_largest() -> None:
    assert Spread.of(range(1, 101)) == Spread(51, 91, 100)
    assert Spread.of([]) == Spread(0, 0, 0)


def test_functions_that_differ_in_words_alone_are_a_pair(tmp_path: Path) -> None:
    for name, text in {"one.py": ONE, "other.py": OTHER, "third.py": THIRD}.items():
        (tmp_path / name).write_text(text)
    (group,) = same_shape(sources(tmp_path))
    assert list(map(str, group)) == ["one.py:2", "other.py:2"]


def test_short_functions_are_alike_by_chance(tmp_path: Path) -> None:
    (tmp_path / "short.py").write_text("def a(b):\n    return b\n\n\ndef c(d):\n    return d\n")
    assert same_shape(sources(tmp_path)) == []


def test_three_of_a_shape_are_three_pairs() -> None:
    assert pairs([[None] * 3, [None] * 2]) == 4  # type: ignore[list-item]


def test_the_table_shows_the_anchors_and_the_same_numbers_go_to_a_file(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house.main([str(tree), "--json", str(tmp_path / "told.json"), "--largest", "1"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("procrastinate", "this house", "its tests"))
    assert "17 code.py" in shown
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["code"]["lines"] == {"median": 17, "p90": 17, "most": 17}
    assert told["same_shape"]["everything"] == {"groups": 0, "pairs": 0}
