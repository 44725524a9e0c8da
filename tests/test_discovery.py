"""What there is of a kind: a malformed member is named, and none is left out of its list."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mintmark.bench.harness import every
from mintmark.discovery import members
from mintmark.errors import InternalError
from mintmark.moderation.registry import CHECKERS
from mintmark.providers.local import Local
from mintmark.providers.registry import ADAPTERS, SERVICES
from mintmark.runner import surface
from mintmark.sandbox.server import PROVIDERS

surface.install()
NODES: tuple[Any, ...] = importlib.import_module("mintmark.nodes.extension").NODES
ROOT = Path(__file__).parents[1]


class Kind:
    def go(self) -> None:
        """What each has to do its own way."""


class Good(Kind):
    name = "good"

    def go(self) -> None:
        """Goes."""


class Nameless(Good):
    name = ""


class Lazy(Kind):
    name = "lazy"


class Numbered(Good):
    name = 7


def listed(*found: Any) -> dict[str, Any]:
    return members("kind", found, Kind, needs={"go": Callable})


def test_members_come_by_name_in_the_order_of_their_list() -> None:
    other = type("Other", (Good,), {"name": "another"})
    assert list(listed(other, Good)) == ["another", "good"]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (Nameless, "'Nameless' has no name"),
        (Numbered, "'Numbered' has no name"),
        (Lazy, "'Lazy' does not say its go"),
        (type("Twin", (Good,), {}), "'Twin' has the name 'good', which another one has"),
        (object, "'object' is no class derived from Kind"),
        ("text", "'text' is no class derived from Kind"),
    ],
)
def test_a_malformed_member_is_named_with_what_is_wrong(bad: Any, why: str) -> None:
    with pytest.raises(InternalError, match=f"The kind {why}"):
        listed(Good, bad)


def finished(folder: str, base: str) -> set[str]:
    """The classes of a folder that derive from the base, at any distance, and from which no other derives."""
    bases: dict[str, set[str]] = {}
    for path in sorted((ROOT / folder).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = {ast.unparse(each).partition("[")[0] for each in node.bases}
    found = {base}
    while more := {name for name, above in bases.items() if above & found} - found:
        found |= more
    return found - {above for name in found for above in bases.get(name, ())} - {base}


@pytest.mark.parametrize(
    ("folder", "base", "known"),
    [
        ("providers", "Provider", (*ADAPTERS, Local)),  # Local is opened by whoever has a device
        ("moderation", "Checker", CHECKERS),
        ("nodes", "Node", NODES),
        ("sandbox", "Provider", PROVIDERS),
    ],
)
def test_no_member_is_left_out_of_its_list(folder: str, base: str, known: tuple[Any, ...]) -> None:
    assert finished(folder, base) == {each.__name__ for each in known}


def test_every_benchmark_is_listed_and_can_be_run() -> None:
    assert {path.stem for path in every.FOLDER.glob("*.py")} == set(every.BENCHES)
    assert len(every.known()) == len(every.BENCHES)


def test_a_benchmark_that_measures_nothing_is_named() -> None:
    with pytest.raises(InternalError, match=r"bench\.harness\.graphs' does not say its measure"):
        every.known((*every.BENCHES, "harness.graphs"))


def test_every_adapter_has_a_stand_in_and_every_stand_in_somebody_who_asks_it() -> None:
    twins, adapters = {each.name for each in PROVIDERS}, {each.name for each in ADAPTERS}
    assert adapters <= twins
    assert twins - adapters <= set(SERVICES)


def test_every_adapter_has_models_and_every_model_an_adapter_or_a_reason() -> None:
    rows = importlib.import_module("mintmark.providers.catalog").rows()
    assert {each.name for each in ADAPTERS} <= {row["name"].partition("/")[0] for row in rows}
