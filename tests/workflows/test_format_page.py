"""The page that explains the format must not fall behind the format."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from mintmark.workflows.bind import bind, parse_cli
from mintmark.workflows.check import check
from mintmark.workflows.format import Bind, Input, Limits, ModelFile, Output, Pack, Requires, WorkflowVersion
from mintmark.workflows.reading import parse

PAGE = (Path(__file__).parents[2] / "docs" / "workflow-format.md").read_text(encoding="utf-8")


def _example() -> WorkflowVersion:
    (text,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    return parse(text, "the example")


def test_the_worked_example_is_sound() -> None:
    assert check(_example()) == []


def test_the_worked_example_binds_as_the_page_says() -> None:
    example = _example()
    graph = bind(example, parse_cli(example, ["prompt=A harbour at dusk", "size=1536"])).graph
    assert graph["6"]["inputs"]["text"] == "A harbour at dusk"
    assert graph["5"]["inputs"] == {"width": 1536, "height": 1536, "batch_size": 1}


@pytest.mark.parametrize("part", [WorkflowVersion, Input, Limits, Bind, Output, Requires, Pack, ModelFile])
def test_the_page_names_every_field(part: type[BaseModel]) -> None:
    named = set(re.findall(r"[a-z_0-9]+", " ".join(re.findall(r"`([^`\n]+)`", PAGE))))
    assert part.model_fields.keys() <= named
