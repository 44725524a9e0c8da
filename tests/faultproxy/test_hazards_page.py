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


def test_every_row_names_its_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| hazard", "|---"))]
    assert len(rows) == len(ROW.findall(PAGE))
