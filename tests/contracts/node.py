"""What every node of the palette must be: ``nodes/base.py`` says it, this suite holds a node to that.

Use: star-import the tests and give the fixture ``case``, a :class:`NodeCase`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mintmark

PAGES = Path(mintmark.__file__).parent / "web" / "comfy" / "docs"


@dataclass
class NodeCase:
    """One node under test."""

    cls: Any
    told: dict[str, Any]
    """What a real ComfyUI tells of it: its entry of ``/object_info``."""

    @property
    def page(self) -> str:
        """Its help page."""
        return (PAGES / f"{self.told['name']}.md").read_text(encoding="utf-8")


def inputs(groups: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every input with its options, those of each choice of a dynamic combo too."""
    for group in ("required", "optional"):
        for name, (_, *rest) in groups.get(group, {}).items():
            options = rest[0] if rest else {}
            yield prefix + name, options
            for choice in options.get("options", ()):
                if isinstance(choice, dict):
                    yield from inputs(choice["inputs"], f"{prefix}{name}.")


def test_its_id_is_ours_and_its_class_s_name(case: NodeCase) -> None:
    assert case.cls.define_schema().node_id == case.told["name"] == f"Mintmark{case.cls.__name__}"


def test_every_input_and_output_explains_itself(case: NodeCase) -> None:
    assert [name for name, options in inputs(case.told["input"]) if len(options.get("tooltip") or "") < 10] == []
    assert all(case.told["output_tooltips"])
    assert case.told["description"].endswith(".")


def test_it_is_found_by_other_words(case: NodeCase) -> None:
    aliases = case.told["search_aliases"]
    assert len(aliases) >= 5
    assert len(set(aliases)) == len(aliases)
    assert all(alias == alias.lower() for alias in aliases)


def test_it_asks_for_no_comfy_org_account(case: NodeCase) -> None:
    assert case.told["api_node"] is False


def test_it_stands_in_our_part_of_the_menu(case: NodeCase) -> None:
    assert re.fullmatch(r"Mintmark(/[a-z ]+)?", case.told["category"])


def test_the_help_page_lists_every_input_and_output(case: NodeCase) -> None:
    named = re.findall(r"^\| `([^`]+)` \|", case.page, re.MULTILINE)
    top = [name for name, _ in inputs(case.told["input"]) if "." not in name]
    assert named == [*top, *case.told["output_name"]]
    assert case.page.startswith(f"# {case.told['display_name']}\n")
    assert "**Tip**" in case.page
    assert len(case.page.splitlines()) < 45


def test_what_is_no_required_input_may_be_left_out(case: NodeCase) -> None:
    """A graph of before an input was added does not give it."""
    taken = inspect.signature(case.cls.execute).parameters.values()
    by_name = {each.name: each for each in taken if each.kind is not each.VAR_KEYWORD}
    top = {name for name, _ in inputs(case.told["input"]) if "." not in name}
    assert by_name.keys() <= top
    assert by_name.keys() == top or any(each.kind is each.VAR_KEYWORD for each in taken)
    left_out = by_name.keys() & case.told["input"].get("optional", {}).keys()
    assert [name for name in left_out if by_name[name].default is inspect.Parameter.empty] == []


def test_a_choice_of_models_is_valid_whichever_is_chosen(case: NodeCase) -> None:
    for name, options in inputs(case.told["input"]):
        for choice in options.get("options", ()):
            if isinstance(choice, dict):
                assert not choice["inputs"].get("required"), f"{name}={choice['key']}"


def test_what_may_differ_by_who_asks_is_not_handed_on(case: NodeCase) -> None:
    """A record says whose job it was, so a node that takes or gives one says for whom its result may be used."""
    about = {*case.told["output"], *_types(case.told["input"])}
    if case.told["output_node"] or "MINTMARK_RECORD" in about:
        own = getattr(case.cls.fingerprint_inputs, "__func__", None)
        assert own is not getattr(case.cls.__mro__[-2].fingerprint_inputs, "__func__", None)


def _types(groups: dict[str, Any]) -> Iterator[str]:
    for group in groups.values():
        yield from (kind for kind, *_ in group.values() if isinstance(kind, str))
