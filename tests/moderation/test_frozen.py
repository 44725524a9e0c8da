"""The frozen half of the labelled prompts is what it was when its digest was written down."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from pathlib import Path

from mintmark.moderation.policy import load

LABELLED = Path(__file__).parent / "labelled"


def test_the_frozen_prompts_are_the_ones_whose_digest_is_written_down() -> None:
    written = re.search(r"^ {4}([0-9a-f]{64})$", (LABELLED / "README.md").read_text("utf-8"), re.MULTILINE)
    assert written is not None
    assert hashlib.sha256((LABELLED / "frozen.jsonl").read_bytes()).hexdigest() == written[1]


def test_half_of_them_are_harmless_and_every_category_has_some() -> None:
    rows = [json.loads(line) for line in (LABELLED / "frozen.jsonl").read_text("utf-8").splitlines()]
    categories = Counter(row["category"] for row in rows)
    assert categories[None] * 2 == len(rows) >= 350
    assert set(categories) - {None} == set(load("standard@1.0.0").categories)
    assert all((row["kind"] == "trap") == (row["category"] is None) for row in rows)
