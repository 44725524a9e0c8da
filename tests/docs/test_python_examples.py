"""The Python examples of the guide, run as they stand there against a whole service."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from mintmark.client import Job
from mintmark.tests.orchestrator.house import service_house

PAGE = Path(__file__).parents[2] / "docs" / "service.md"
DEFAULT, KEY = "http://127.0.0.1:8199", ', api_key="mm_live_…"'
"""Where the reader's service is, and his key; the test's has a port of its own and no keys."""


def examples() -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    return [each.partition("\n```\n")[0] for each in text.split("```python client\n")[1:]]


def test_there_is_one_for_an_image_and_one_for_a_batch() -> None:
    assert ["batch(" in each for each in examples()] == [False, True]


@pytest.mark.parametrize("text", examples(), ids=["an image", "a batch"])
async def test_an_example_gives_what_it_says(text: str, tmp_path: Path) -> None:
    async with service_house(tmp_path) as house:
        assert DEFAULT in text and KEY in text
        body = textwrap.indent(text.replace(DEFAULT, house.url).replace(KEY, ""), "    ")
        names: dict[str, Any] = {}
        exec(f"async def example():\n{body}\n    return job, data\n", names)
        job, data = await names["example"]()
    assert isinstance(job, Job) and job.status == "succeeded"
    assert data.startswith(b"\x89PNG")
