from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| .* \| `([\w/]+\.py)::(\w+)` \|$", re.MULTILINE)
PAGE = (ROOT / "docs" / "hazards.md").read_text(encoding="utf-8")


def test_every_hazard_names_a_test_that_is_there() -> None:
    named = ROW.findall(PAGE)
    assert len(named) > 30
    for file, test in named:
        source = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {test}\(", source, re.MULTILINE), f"{file}::{test}"


def test_every_test_of_a_hazard_is_on_the_page() -> None:
    source = (ROOT / "tests" / "faultproxy" / "test_hazards.py").read_text(encoding="utf-8")
    tests = re.findall(r"^(?:async )?def (test_\w+)\(", source, re.MULTILINE)
    assert len(tests) > 15
    assert [test for test in tests if f"faultproxy/test_hazards.py::{test}`" not in PAGE] == []


def test_no_named_test_is_always_skipped() -> None:
    files = {file for file, _ in ROW.findall(PAGE)}
    assert files
    for file in files:
        source = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert "COMFYUI_PATH" not in source, f"{file} needs a ComfyUI: the page names tests that run everywhere"


def test_every_row_names_its_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| hazard", "|---"))]
    assert len(rows) == len(ROW.findall(PAGE))
